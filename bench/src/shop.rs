//! The goods, the users and the orders of a run, prepared before its clock starts.

use std::{cell::RefCell, collections::VecDeque, net::SocketAddr, rc::Rc};

use futures::future::try_join_all;
use rand::RngExt;

use crate::{connection::Connection, scenario::Scenario, system::Addresses};

/// So much of everything that no checkout is refused.
const PLENTY: u32 = 1_000_000_000;
/// How many connections prepare orders side by side.
const PREPARERS: u32 = 64;
/// How many pieces a flash sale has.
pub(crate) const PIECES_ON_SALE: u32 = 100;
/// How many lines a mixed run's client adds to an order before it takes a new one.
pub(crate) const BASKET_LINES: u32 = 20;

/// Names of orders. Clients take the next one each.
pub(crate) type Orders = Rc<RefCell<VecDeque<String>>>;

/// What a run needs.
pub(crate) struct Shop {
    /// How many items and users there are.
    pub(crate) records: u32,
    /// Orders that nobody has checked out yet.
    pub(crate) orders: Orders,
    /// Orders without lines, for the lines that a mixed run adds.
    pub(crate) baskets: Orders,
}

impl Shop {
    /// Fills the services and creates `count` fresh orders.
    ///
    /// The orders are made through the API in every scenario, so that they differ in their lines alone.
    ///
    /// # Errors
    /// If a call is not a success.
    pub(crate) async fn open(
        scenario: Scenario,
        addresses: &Addresses,
        records: u32,
        count: u32,
    ) -> anyhow::Result<Self> {
        let credit = if scenario == Scenario::Refusals { 0 } else { PLENTY };
        let mut payment = Connection::open(addresses.payment).await?;
        let path = format!("/payment/batch_init/{records}/{credit}");
        payment.post(&path).await?.success()?;
        let mut stock = Connection::open(addresses.stock).await?;
        let path = format!("/stock/batch_init/{records}/{PLENTY}/1");
        stock.post(&path).await?.success()?;
        let lines = match scenario {
            Scenario::Hot => Lines::Hot,
            Scenario::FlashSale => Lines::Only(scarce_item(&mut stock).await?),
            _ => Lines::Random,
        };
        let shop = Self {
            records,
            orders: Orders::default(),
            baskets: Orders::default(),
        };
        shop.fill(&shop.orders, addresses, count, &lines).await?;
        if scenario == Scenario::Mixed {
            // Three lines are added for each checkout. The rest is for chance, and for baskets that stay half full.
            let baskets = count * 4 / BASKET_LINES + 1_000;
            shop.fill(&shop.baskets, addresses, baskets, &Lines::None).await?;
        }
        Ok(shop)
    }

    /// The number of a random item or user.
    pub(crate) fn random_record(&self) -> u32 {
        rand::rng().random_range(0..self.records)
    }

    async fn fill(&self, orders: &Orders, addresses: &Addresses, count: u32, lines: &Lines) -> anyhow::Result<()> {
        let preparers = (0..PREPARERS).zip(addresses.order.iter().cycle());
        try_join_all(preparers.map(|(preparer, &address)| {
            let share = count / PREPARERS + u32::from(preparer < count % PREPARERS);
            self.create(orders, address, share, lines)
        }))
        .await?;
        Ok(())
    }

    async fn create(&self, orders: &Orders, address: SocketAddr, count: u32, lines: &Lines) -> anyhow::Result<()> {
        let mut connection = Connection::open(address).await?;
        for _ in 0..count {
            let user = self.random_record();
            let created = connection.post(&format!("/orders/create/{user}")).await?.success()?;
            let order = created.text_field("order_id")?;
            let items = match lines {
                Lines::None => Vec::new(),
                Lines::Only(item) => vec![item.clone()],
                Lines::Hot => vec!["0".into(), self.random_record().to_string()],
                Lines::Random => vec![self.random_record().to_string(), self.random_record().to_string()],
            };
            for item in items {
                let path = format!("/orders/addItem/{order}/{item}/1");
                connection.post(&path).await?.success()?;
            }
            orders.borrow_mut().push_back(order);
        }
        Ok(())
    }
}

/// Which lines an order gets.
enum Lines {
    None,
    /// One line of this item.
    Only(String),
    /// The first item of all, and a random one.
    Hot,
    /// Two random items.
    Random,
}

async fn scarce_item(stock: &mut Connection) -> anyhow::Result<String> {
    let created = stock.post("/stock/item/create/1").await?.success()?;
    let item = created.text_field("item_id")?;
    let path = format!("/stock/add/{item}/{PIECES_ON_SALE}");
    stock.post(&path).await?.success()?;
    Ok(item)
}
