//! What is bought: the orders that a run checks out, prepared before its clock starts.

use std::{cell::RefCell, collections::VecDeque, fmt, net::SocketAddr, rc::Rc};

use clap::ValueEnum;
use futures::future::try_join_all;
use rand::RngExt;
use serde::Serialize;

use crate::{connection::Connection, system::Addresses};

/// How many items and users there are.
const RECORDS: u32 = 100_000;
/// So much of everything that no checkout is refused.
const PLENTY: u32 = 1_000_000_000;
/// How many connections prepare orders side by side.
const PREPARERS: u32 = 64;

/// Which items the orders hold. Each order has two lines of one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scenario {
    /// Both lines are random among 100,000 items.
    Uniform,
    /// One line of every order is the same item.
    Hot,
}

impl fmt::Display for Scenario {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Uniform => "uniform",
            Self::Hot => "hot",
        })
    }
}

/// Orders that nobody has checked out yet. Clients take the next one each.
pub(crate) type Orders = Rc<RefCell<VecDeque<String>>>;

impl Scenario {
    /// Fills the services and creates `count` fresh orders.
    ///
    /// The orders are made through the API in both scenarios, so that they differ in their items alone.
    ///
    /// # Errors
    /// Where a call is not a success.
    pub(crate) async fn prepare(self, addresses: &Addresses, count: u32) -> anyhow::Result<Orders> {
        for (address, path) in [
            (addresses.payment, format!("/payment/batch_init/{RECORDS}/{PLENTY}")),
            (addresses.stock, format!("/stock/batch_init/{RECORDS}/{PLENTY}/1")),
        ] {
            Connection::open(address).await?.post(&path).await?.success()?;
        }
        let orders = Orders::default();
        try_join_all(
            (0..PREPARERS)
                .zip(addresses.order.iter().cycle())
                .map(|(preparer, &address)| {
                    let share = count / PREPARERS + u32::from(preparer < count % PREPARERS);
                    self.create_orders(address, share, &orders)
                }),
        )
        .await?;
        Ok(orders)
    }

    async fn create_orders(self, address: SocketAddr, count: u32, orders: &Orders) -> anyhow::Result<()> {
        let mut connection = Connection::open(address).await?;
        for _ in 0..count {
            let user = random_record();
            let created = connection.post(&format!("/orders/create/{user}")).await?.success()?;
            let order = created.text_field("order_id")?;
            let first = match self {
                Self::Uniform => random_record(),
                Self::Hot => 0,
            };
            for item in [first, random_record()] {
                let path = format!("/orders/addItem/{order}/{item}/1");
                connection.post(&path).await?.success()?;
            }
            orders.borrow_mut().push_back(order);
        }
        Ok(())
    }
}

fn random_record() -> u32 {
    rand::rng().random_range(0..RECORDS)
}
