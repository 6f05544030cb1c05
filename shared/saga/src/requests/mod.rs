//! What the saga's driver and its participants say to each other.
//!
//! Each call that moves something names its saga, and repeating a call with the same saga gives the same answer and moves
//! nothing twice.

mod payment;
mod stock;

use domain::{ItemId, Quantity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub use self::{
    payment::{Charge, ChargeAnswer, OpenAccount, Opened, Refund, Refunded, SettleCharge},
    stock::{Quote, QuoteAnswer, Release, Released, Reserve, ReserveAnswer, SettlePieces},
};

/// One kind of call: what is asked, where a participant takes it, and what is answered.
pub trait Request: Serialize + DeserializeOwned + Send + 'static {
    /// The participant's answer.
    type Answer: Serialize + DeserializeOwned + Send + 'static;

    /// Where the participant takes such calls.
    const PATH: &'static str;
}

/// Some pieces of one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Line {
    /// The item.
    pub item_id: ItemId,
    /// How many pieces.
    pub quantity: Quantity,
}

/// The answer to [`SettlePieces`] and [`SettleCharge`]: the saga's holds are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled;

impl Line {
    /// Some lines, as a [`Fingerprint`](ledger::Fingerprint) takes them.
    pub fn pieces(lines: &[Self]) -> impl Iterator<Item = (&ItemId, Quantity)> {
        lines.iter().map(|line| (&line.item_id, line.quantity))
    }
}

/// Counts sagas whose name holds something else at a participant (label `at`), as after order's store lost writes.
pub const SAGA_MISMATCHES: &str = "holdfast_saga_mismatch_total";
