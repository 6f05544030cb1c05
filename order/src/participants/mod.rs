//! Stock and payment as order sees them, wherever they run.

mod http;

use std::sync::Arc;

use saga::{
    Charge, ChargeAnswer, Quote, QuoteAnswer, Refund, Refunded, Release, Released, Reserve, ReserveAnswer,
    SettleCharge, SettlePieces, Settled, client::Answering,
};

pub use self::http::{HttpPayment, HttpStock};

/// Stock's side of the saga. Every call is safe to repeat.
pub trait Stock: Send + Sync + 'static {
    /// Holds all lines of a saga, or none.
    fn reserve(&self, reserve: Reserve) -> Answering<'_, ReserveAnswer>;
    /// Gives back what a saga holds, and refuses it for good.
    fn release(&self, release: Release) -> Answering<'_, Released>;
    /// Forgets what a saga holds that has been paid for long enough.
    fn settle(&self, settle: SettlePieces) -> Answering<'_, Settled>;
    /// Tells the price of an item.
    fn quote(&self, quote: Quote) -> Answering<'_, QuoteAnswer>;
}

/// Payment's side of the saga. Every call is safe to repeat.
pub trait Payment: Send + Sync + 'static {
    /// Takes a saga's total from the user's credit.
    fn charge(&self, charge: Charge) -> Answering<'_, ChargeAnswer>;
    /// Gives back what a saga took, and refuses it for good.
    fn refund(&self, refund: Refund) -> Answering<'_, Refunded>;
    /// Forgets the charge of a saga that has been paid for long enough.
    fn settle(&self, settle: SettleCharge) -> Answering<'_, Settled>;
}

/// The saga's participants.
#[derive(Clone)]
pub struct Participants {
    /// Who holds the pieces.
    pub stock: Arc<dyn Stock>,
    /// Who takes the money.
    pub payment: Arc<dyn Payment>,
}
