//! The bodies and parameters of order's operations.

use std::{borrow::Cow, str::FromStr};

use domain::{OrderId, Quantity};
use poem_openapi::{
    Object,
    registry::{MetaSchema, MetaSchemaRef},
    types::{Example, ParseError, ParseFromJSON, ParseResult, ToJSON, Type},
};
use serde_json::{Value, json};
use web::{Parameter, whole_numbers};

use crate::record::{Order, Status};

const EXAMPLE_ORDER: &str = "01997e2c-b3a4-7f15-8c02-94d1e6f7a3b5";

/// The name of a new order.
#[derive(Object)]
#[oai(example)]
pub(super) struct CreatedOrder {
    /// The order's id.
    pub(super) order_id: String,
}

impl Example for CreatedOrder {
    fn example() -> Self {
        Self {
            order_id: EXAMPLE_ORDER.into(),
        }
    }
}

/// An order.
#[derive(Object)]
#[oai(example)]
pub(super) struct FoundOrder {
    /// The order's id.
    order_id: String,
    /// Whether it is settled.
    paid: bool,
    /// What is bought: pairs of an item's id and a number of pieces.
    items: Vec<OrderedItem>,
    /// Who pays.
    user_id: String,
    /// What it costs, in the smallest unit of the currency.
    total_cost: i64,
}

impl FoundOrder {
    pub(super) fn new(order_id: &OrderId, order: Order) -> Self {
        Self {
            order_id: order_id.to_string(),
            paid: order.status == Status::Paid,
            items: order
                .lines
                .into_iter()
                .map(|line| OrderedItem(line.item_id.to_string(), line.quantity.get()))
                .collect(),
            user_id: order.user_id.to_string(),
            total_cost: order.total.get(),
        }
    }
}

impl Example for FoundOrder {
    fn example() -> Self {
        Self {
            order_id: EXAMPLE_ORDER.into(),
            paid: true,
            items: vec![OrderedItem("01997e2c-6a5b-7c3e-9d41-2f0b8a6c4e10".into(), 2)],
            user_id: "01997e2c-8f10-7a02-b6de-5d9c3e71a4f8".into(),
            total_cost: 2_500,
        }
    }
}

/// A line as the benchmark's clients read it: `[item_id, quantity]`.
struct OrderedItem(String, i64);

impl Type for OrderedItem {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "OrderedItem".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        let element = MetaSchema {
            any_of: vec![String::schema_ref(), i64::schema_ref()],
            ..MetaSchema::ANY
        };
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            items: Some(Box::new(MetaSchemaRef::Inline(Box::new(element)))),
            min_items: Some(2),
            max_items: Some(2),
            ..MetaSchema::new("array")
        }))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ToJSON for OrderedItem {
    fn to_json(&self) -> Option<Value> {
        Some(json!([self.0, self.1]))
    }
}

impl ParseFromJSON for OrderedItem {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        let (item_id, quantity) = serde_json::from_value(value.unwrap_or_default()).map_err(ParseError::custom)?;
        Ok(Self(item_id, quantity))
    }
}

/// How many pieces a line has: at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pieces(Quantity);

/// The text is not a number of pieces.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a line has from 1 to {} pieces", i64::MAX)]
pub(super) struct BadPieces;

impl Pieces {
    pub(super) fn get(self) -> Quantity {
        self.0
    }
}

impl FromStr for Pieces {
    type Err = BadPieces;

    fn from_str(text: &str) -> Result<Self, BadPieces> {
        match text.parse() {
            Ok(quantity) if quantity != Quantity::ZERO => Ok(Self(quantity)),
            _ => Err(BadPieces),
        }
    }
}

impl Parameter for Pieces {
    fn schema() -> MetaSchema {
        whole_numbers("int64", 1, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_pieces_is_told_the_range_of_a_line() {
        for bad in ["0", "-2", "+5", "05", "x", "9223372036854775808"] {
            assert_eq!(bad.parse::<Pieces>(), Err(BadPieces), "{bad}");
        }
        assert_eq!(BadPieces.to_string(), "a line has from 1 to 9223372036854775807 pieces");
        assert_eq!("1".parse(), Ok(Pieces(Quantity::from(1))));
    }
}
