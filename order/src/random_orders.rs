//! The orders that `batch_init` makes: two lines of one piece each, of random items, for random users.

use rand::RngExt;
use shared::{
    amounts::{Credits, Quantity},
    ids::{ItemId, OrderId, UserId},
    protocol::Line,
};

use crate::{decide::NewOrder, keys::Keys};

const LINES: u32 = 2;

/// Among which items and users to choose.
#[derive(Debug, Clone, Copy)]
pub struct RandomOrders {
    items: u32,
    users: u32,
    total: Credits,
}

/// There is nothing to choose from, or the total is too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRandomOrders {
    /// No items or no users.
    #[error("there must be at least one item and one user to choose from")]
    NothingToChoose,
    /// Two pieces cost more than can be counted.
    #[error("an order of {LINES} pieces at this price would cost more than can be counted")]
    TotalTooLarge,
}

impl RandomOrders {
    /// Orders of the items "0" to "items - 1" at `price` each, for the users "0" to "users - 1".
    pub fn new(items: u32, users: u32, price: Credits) -> Result<Self, BadRandomOrders> {
        if items == 0 || users == 0 {
            return Err(BadRandomOrders::NothingToChoose);
        }
        let total = price
            .checked_times(Quantity::from(LINES))
            .ok_or(BadRandomOrders::TotalTooLarge)?;
        Ok(Self { items, users, total })
    }

    /// The order with this number.
    pub(crate) fn order(&self, keys: &Keys, number: u32) -> NewOrder {
        let mut random = rand::rng();
        let line = |item| Line {
            item_id: ItemId::numbered(item),
            quantity: Quantity::from(1),
        };
        NewOrder {
            order: keys.order(&OrderId::numbered(number)),
            user_id: UserId::numbered(random.random_range(0..self.users)),
            lines: (0..LINES).map(|_| line(random.random_range(0..self.items))).collect(),
            total: self.total,
        }
    }
}
