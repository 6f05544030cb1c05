//! Stock and payment in the same process as those that ask them: calls instead of requests.

use std::time::Duration;

use domain::UserId;
use engine::EngineError;
use futures::FutureExt;
use identity::Accounts;
use order::participants::{Payment, Stock};
use saga::{
    Charge, ChargeAnswer, OpenAccount, Opened, Quote, QuoteAnswer, Refund, Refunded, Release, Released, Reply, Reserve,
    ReserveAnswer, SettleCharge, SettlePieces, Settled,
    client::{Answering, CallError},
};
use tokio::time::{Instant, timeout_at};

/// Stock beside order.
pub(crate) struct EmbeddedStock {
    pub(crate) stock: stock::Stock,
    /// How long one call may take.
    pub(crate) timeout: Duration,
}

impl Stock for EmbeddedStock {
    fn reserve(&self, reserve: Reserve) -> Answering<'_, ReserveAnswer> {
        asked(self.timeout, |until| self.stock.reserve(reserve, until))
    }

    fn release(&self, release: Release) -> Answering<'_, Released> {
        asked(self.timeout, |until| self.stock.release(release, until))
    }

    fn settle(&self, settle: SettlePieces) -> Answering<'_, Settled> {
        asked(self.timeout, |_| self.stock.settle(settle))
    }

    fn quote(&self, quote: Quote) -> Answering<'_, QuoteAnswer> {
        asked(self.timeout, |_| self.stock.quote(quote))
    }
}

/// Payment beside order.
pub(crate) struct EmbeddedPayment {
    pub(crate) payment: payment::Payment,
    /// How long one call may take.
    pub(crate) timeout: Duration,
}

impl Payment for EmbeddedPayment {
    fn charge(&self, charge: Charge) -> Answering<'_, ChargeAnswer> {
        asked(self.timeout, |until| self.payment.charge(charge, until))
    }

    fn refund(&self, refund: Refund) -> Answering<'_, Refunded> {
        asked(self.timeout, |until| self.payment.refund(refund, until))
    }

    fn settle(&self, settle: SettleCharge) -> Answering<'_, Settled> {
        asked(self.timeout, |_| self.payment.settle(settle))
    }
}

/// Payment beside identity.
pub(crate) struct EmbeddedAccounts {
    pub(crate) payment: payment::Payment,
    /// How long one call may take.
    pub(crate) timeout: Duration,
}

impl Accounts for EmbeddedAccounts {
    fn open(&self, user_id: &UserId) -> Answering<'_, Opened> {
        let user_id = user_id.clone();
        asked(self.timeout, |until| self.payment.open(OpenAccount { user_id }, until))
    }
}

/// Makes a call that is bounded as a request's calls are.
fn asked<'a, A, F>(timeout: Duration, call: impl FnOnce(Instant) -> F) -> Answering<'a, A>
where
    A: Send + 'a,
    F: Future<Output = Result<A, EngineError>> + Send + 'a,
{
    let until = Instant::now() + timeout;
    let answer = timeout_at(until, call(until));
    async {
        match answer.await {
            Ok(answer) => Reply::from(answer).into_answer(),
            Err(_) => Err(CallError::Failed("not done in time".into())),
        }
    }
    .boxed()
}
