//! What stock may refuse, and how its answers say so. Statuses stand here and nowhere else in stock.

use domain::{ItemId, Quantity};
use saga::{OUT_OF_STOCK, UNKNOWN_ITEM};
use serde::{Deserialize, Serialize};
use web::{
    IDEMPOTENCY_KEY_REUSED, MALFORMED, OUTCOME_UNKNOWN, OVERFLOW, PARTLY_BROKEN, PARTLY_DONE, Problem, STORE_FULL,
    catalogue,
};

/// Why a decision refuses. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Refusal {
    /// There is no such item.
    UnknownItem(ItemId),
    /// There are fewer pieces.
    OutOfStock {
        item_id: ItemId,
        left: Quantity,
        asked: Quantity,
    },
    /// All pieces that ever came in would be too many to count.
    Overflow { item_id: ItemId, asked: Quantity },
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::UnknownItem(item_id) => Self::new(&UNKNOWN_ITEM, format!("there is no item {item_id}")),
            Refusal::OutOfStock { item_id, left, asked } => Self::new(
                &OUT_OF_STOCK,
                format!("item {item_id} has {left} pieces, {asked} were asked for"),
            ),
            Refusal::Overflow { item_id, asked } => {
                Self::new(&OVERFLOW, format!("item {item_id} cannot take {asked} more pieces"))
            }
        }
    }
}

catalogue! {
    /// What creating an item may refuse.
    CreateProblems: MALFORMED, IDEMPOTENCY_KEY_REUSED, STORE_FULL, OUTCOME_UNKNOWN;
    /// What looking an item up may refuse.
    FindProblems: MALFORMED, UNKNOWN_ITEM;
    /// What adding pieces may refuse.
    AddProblems: MALFORMED, IDEMPOTENCY_KEY_REUSED, UNKNOWN_ITEM, OVERFLOW, STORE_FULL, OUTCOME_UNKNOWN;
    /// What taking pieces may refuse.
    SubtractProblems: MALFORMED, IDEMPOTENCY_KEY_REUSED, UNKNOWN_ITEM, OUT_OF_STOCK, STORE_FULL, OUTCOME_UNKNOWN;
    /// What creating many items may refuse.
    BatchInitProblems: MALFORMED, OVERFLOW, STORE_FULL, OUTCOME_UNKNOWN, PARTLY_DONE, PARTLY_BROKEN;
}
