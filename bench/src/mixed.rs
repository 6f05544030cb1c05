//! A shop on a usual day: of 100 calls, 80 look an item up, 15 add a line, and 5 check out.

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use futures::future::try_join_all;
use hdrhistogram::Histogram;
use rand::RngExt;

use crate::{
    connection::{Answer, Connection},
    load::{LoadResult, connections, histogram, record},
    shop::{BASKET_LINES, Shop},
    system::Addresses,
};

/// Of 100 calls, so many look an item up.
const BROWSE: u32 = 80;
/// Of 100 calls, so many add a line. The rest check out.
const ADD: u32 = 15;

/// What the clients of a mixed run saw.
pub(crate) struct MixedSeen {
    /// The checkouts alone.
    pub(crate) checkouts: LoadResult,
    /// How long each call took, whatever it was, in microseconds.
    pub(crate) calls: Histogram<u64>,
}

/// A closed loop of so many clients, until the time is over or the orders are used up.
///
/// # Errors
/// If a call is not a success: nothing runs out.
pub(crate) async fn mixed(
    addresses: &Addresses,
    clients: u32,
    time: Duration,
    shop: &Shop,
) -> anyhow::Result<MixedSeen> {
    let to_order = connections(&addresses.order, clients).await?;
    let to_stock = connections(&[addresses.stock], clients).await?;
    let (calls, checkouts) = (RefCell::new(histogram()?), RefCell::new(histogram()?));
    let started = Instant::now();
    let clients = to_order.into_iter().zip(to_stock).map(|(to_order, to_stock)| {
        let client = Client {
            to_order,
            to_stock,
            shop,
            basket: None,
            calls: &calls,
            checkouts: &checkouts,
        };
        client.keep_asking(started, time)
    });
    try_join_all(clients).await?;
    let elapsed = started.elapsed();
    let checkouts = checkouts.into_inner();
    Ok(MixedSeen {
        checkouts: LoadResult {
            paid: checkouts.len(),
            latencies: checkouts,
            elapsed,
        },
        calls: calls.into_inner(),
    })
}

/// One client, with an order of its own that it adds lines to.
struct Client<'a> {
    to_order: Connection,
    to_stock: Connection,
    shop: &'a Shop,
    /// The order, and how many lines it can still take.
    basket: Option<(String, u32)>,
    calls: &'a RefCell<Histogram<u64>>,
    checkouts: &'a RefCell<Histogram<u64>>,
}

impl Client<'_> {
    async fn keep_asking(mut self, started: Instant, time: Duration) -> anyhow::Result<()> {
        while started.elapsed() < time {
            let chance = rand::rng().random_range(0..100);
            let asked = Instant::now();
            if chance < BROWSE {
                self.browse().await?.success()?;
            } else if chance < BROWSE + ADD {
                self.add_line().await?.success()?;
            } else {
                let Some(order) = self.shop.orders.borrow_mut().pop_front() else {
                    break;
                };
                let answer = self.to_order.post(&format!("/orders/checkout/{order}")).await?;
                ensure!(answer.status.is_success(), "order {order}: {}", answer.in_words());
                record(&mut self.checkouts.borrow_mut(), asked.elapsed());
            }
            record(&mut self.calls.borrow_mut(), asked.elapsed());
        }
        Ok(())
    }

    async fn browse(&mut self) -> anyhow::Result<Answer> {
        let item = self.shop.random_record();
        self.to_stock.get(&format!("/stock/find/{item}")).await
    }

    async fn add_line(&mut self) -> anyhow::Result<Answer> {
        let (order, lines_left) = match self.basket.take() {
            Some(basket) => basket,
            None => (self.fresh_basket()?, BASKET_LINES),
        };
        let item = self.shop.random_record();
        let path = format!("/orders/addItem/{order}/{item}/1");
        self.basket = (lines_left > 1).then_some((order, lines_left - 1));
        self.to_order.post(&path).await
    }

    fn fresh_basket(&self) -> anyhow::Result<String> {
        let basket = self.shop.baskets.borrow_mut().pop_front();
        basket.context("the baskets are used up: this run needs more orders")
    }
}
