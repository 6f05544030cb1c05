//! The orders that `batch_init` makes: two lines of one piece each, of random items, for random users.

use std::str::FromStr;

use domain::{Credits, ItemId, OrderId, Quantity, UserId, whole_number};
use engine::bulk::MAX_RECORDS;
use poem_openapi::registry::MetaSchema;
use rand::RngExt;
use saga::Line;
use web::{Parameter, whole_numbers};

use crate::decide::NewOrder;

const LINES: u32 = 2;

/// Among which items and users to choose.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RandomOrders {
    items: u32,
    users: u32,
    total: Credits,
}

/// Among how many records to choose: at least one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choices(u32);

/// The number is not one to choose among.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there are from 1 to {MAX_RECORDS} records to choose from")]
pub(crate) struct BadChoices;

impl FromStr for Choices {
    type Err = BadChoices;

    fn from_str(text: &str) -> Result<Self, BadChoices> {
        match whole_number(text) {
            Some(count @ 1..=MAX_RECORDS) => Ok(Self(count)),
            _ => Err(BadChoices),
        }
    }
}

impl Parameter for Choices {
    fn schema() -> MetaSchema {
        whole_numbers("int32", 1, Some(MAX_RECORDS))
    }
}

/// The pieces of an order cost more than can be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an order of {LINES} pieces at this price would cost more than can be counted")]
pub(crate) struct TotalTooLarge;

impl RandomOrders {
    /// Orders of the items "0" to "items - 1" at `price` each, for the users "0" to "users - 1".
    pub(crate) fn new(items: Choices, users: Choices, price: Credits) -> Result<Self, TotalTooLarge> {
        let total = price.checked_times(Quantity::from(LINES)).ok_or(TotalTooLarge)?;
        Ok(Self {
            items: items.0,
            users: users.0,
            total,
        })
    }

    /// The order with this number.
    pub(crate) fn order(&self, number: u32) -> NewOrder {
        let mut random = rand::rng();
        let line = |item| Line {
            item_id: ItemId::numbered(item),
            quantity: Quantity::from(1),
        };
        NewOrder {
            number,
            order_id: OrderId::numbered(number),
            user_id: UserId::numbered(random.random_range(0..self.users)),
            lines: (0..LINES).map(|_| line(random.random_range(0..self.items))).collect(),
            total: self.total,
        }
    }
}
