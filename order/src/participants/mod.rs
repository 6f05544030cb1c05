//! Stock and payment as order sees them, wherever they run.

mod http;
mod replicas;

use std::sync::Arc;

use futures::future::BoxFuture;
use shared::{
    coalesce::CallError,
    protocol::{
        Charge, ChargeAnswer, Quote, QuoteAnswer, Refund, Refunded, Release, Released, Reserve, ReserveAnswer,
        SettleCharge, SettlePieces, Settled,
    },
};

pub use self::{
    http::{HttpPayment, HttpStock, ParticipantError},
    replicas::{BadReplicas, Replicas},
};

/// What one call gives: an answer, or no answer, in which case it may or may not have happened.
pub type Asking<'a, A> = BoxFuture<'a, Result<A, CallError>>;

/// Stock's side of the saga. Every call is safe to repeat.
pub trait Stock: Send + Sync + 'static {
    /// Holds all lines of a saga, or none.
    fn reserve(&self, reserve: Reserve) -> Asking<'_, ReserveAnswer>;
    /// Gives back what a saga holds, and refuses it for good.
    fn release(&self, release: Release) -> Asking<'_, Released>;
    /// Forgets what a saga holds that has been paid for long enough.
    fn settle(&self, settle: SettlePieces) -> Asking<'_, Settled>;
    /// Tells the price of an item.
    fn quote(&self, quote: Quote) -> Asking<'_, QuoteAnswer>;
}

/// Payment's side of the saga. Every call is safe to repeat.
pub trait Payment: Send + Sync + 'static {
    /// Takes a saga's total from the user's credit.
    fn charge(&self, charge: Charge) -> Asking<'_, ChargeAnswer>;
    /// Gives back what a saga took, and refuses it for good.
    fn refund(&self, refund: Refund) -> Asking<'_, Refunded>;
    /// Forgets the charge of a saga that has been paid for long enough.
    fn settle(&self, settle: SettleCharge) -> Asking<'_, Settled>;
}

/// The saga's participants.
#[derive(Clone)]
pub struct Participants {
    /// Who holds the pieces.
    pub stock: Arc<dyn Stock>,
    /// Who takes the money.
    pub payment: Arc<dyn Payment>,
}
