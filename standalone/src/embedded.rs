//! Stock and payment in the same process: calls instead of requests.

use futures::FutureExt;
use order::participants::{Asking, Payment, Stock};
use shared::{
    coalesce::CallError,
    engine::EngineError,
    protocol::{
        Charge, ChargeAnswer, Quote, QuoteAnswer, Refund, Refunded, Release, Released, Reserve, ReserveAnswer,
        SettleCharge, SettlePieces, Settled,
    },
};

/// Stock beside order.
pub(crate) struct EmbeddedStock(pub(crate) stock::Stock);

impl Stock for EmbeddedStock {
    fn reserve(&self, reserve: Reserve) -> Asking<'_, ReserveAnswer> {
        unless_failed(self.0.reserve(reserve)).boxed()
    }

    fn release(&self, release: Release) -> Asking<'_, Released> {
        unless_failed(self.0.release(release)).boxed()
    }

    fn settle(&self, settle: SettlePieces) -> Asking<'_, Settled> {
        unless_failed(self.0.settle(settle)).boxed()
    }

    fn quote(&self, quote: Quote) -> Asking<'_, QuoteAnswer> {
        unless_failed(self.0.quote(quote)).boxed()
    }
}

/// Payment beside order.
pub(crate) struct EmbeddedPayment(pub(crate) payment::Payment);

impl Payment for EmbeddedPayment {
    fn charge(&self, charge: Charge) -> Asking<'_, ChargeAnswer> {
        unless_failed(self.0.charge(charge)).boxed()
    }

    fn refund(&self, refund: Refund) -> Asking<'_, Refunded> {
        unless_failed(self.0.refund(refund)).boxed()
    }

    fn settle(&self, settle: SettleCharge) -> Asking<'_, Settled> {
        unless_failed(self.0.settle(settle)).boxed()
    }
}

async fn unless_failed<A>(call: impl Future<Output = Result<A, EngineError>>) -> Result<A, CallError> {
    call.await.map_err(|error| match error {
        EngineError::Overloaded => CallError::Overloaded,
        other => CallError::Failed(other.to_string()),
    })
}
