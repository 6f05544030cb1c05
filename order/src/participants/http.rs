//! Participants in other processes.

use std::{sync::Arc, time::Duration};

use ledger::Terms;
use saga::{
    Charge, ChargeAnswer, Quote, QuoteAnswer, Refund, Refunded, Release, Released, Reserve, ReserveAnswer,
    SettleCharge, SettlePieces, Settled,
    client::{Answering, Calls, ClientError, Participant, Replicas},
};
use tokio_rustls::rustls::ClientConfig;

use super::{Payment, Stock};

/// Stock in other processes.
pub struct HttpStock {
    reserve: Calls<Reserve>,
    release: Calls<Release>,
    settle: Calls<SettlePieces>,
    quote: Calls<Quote>,
}

impl HttpStock {
    /// Starts the senders and follows the replicas, which are trusted as `tls` says. A call that takes longer than
    /// `timeout` counts as unanswered.
    pub fn new(
        replicas: &Replicas,
        timeout: Duration,
        terms: Terms,
        tls: Arc<ClientConfig>,
    ) -> Result<Self, ClientError> {
        let stock = Participant::new("stock", replicas, timeout, terms, tls)?;
        Ok(Self {
            reserve: stock.calls(),
            release: stock.calls(),
            settle: stock.calls(),
            quote: stock.calls(),
        })
    }
}

impl Stock for HttpStock {
    fn reserve(&self, reserve: Reserve) -> Answering<'_, ReserveAnswer> {
        self.reserve.call(reserve)
    }

    fn release(&self, release: Release) -> Answering<'_, Released> {
        self.release.call(release)
    }

    fn settle(&self, settle: SettlePieces) -> Answering<'_, Settled> {
        self.settle.call(settle)
    }

    fn quote(&self, quote: Quote) -> Answering<'_, QuoteAnswer> {
        self.quote.call(quote)
    }
}

/// Payment in other processes.
pub struct HttpPayment {
    charge: Calls<Charge>,
    refund: Calls<Refund>,
    settle: Calls<SettleCharge>,
}

impl HttpPayment {
    /// Starts the senders and follows the replicas, which are trusted as `tls` says. A call that takes longer than
    /// `timeout` counts as unanswered.
    pub fn new(
        replicas: &Replicas,
        timeout: Duration,
        terms: Terms,
        tls: Arc<ClientConfig>,
    ) -> Result<Self, ClientError> {
        let payment = Participant::new("payment", replicas, timeout, terms, tls)?;
        Ok(Self {
            charge: payment.calls(),
            refund: payment.calls(),
            settle: payment.calls(),
        })
    }
}

impl Payment for HttpPayment {
    fn charge(&self, charge: Charge) -> Answering<'_, ChargeAnswer> {
        self.charge.call(charge)
    }

    fn refund(&self, refund: Refund) -> Answering<'_, Refunded> {
        self.refund.call(refund)
    }

    fn settle(&self, settle: SettleCharge) -> Answering<'_, Settled> {
        self.settle.call(settle)
    }
}
