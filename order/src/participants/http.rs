//! Participants in other processes, over HTTP with keep-alive. Calls that wait share a request.

use std::{fmt, sync::Arc, time::Duration};

use futures::FutureExt;
use reqwest::{
    Client, RequestBuilder, Response,
    header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, InvalidHeaderValue},
};
use serde::{Serialize, de::DeserializeOwned};
use shared::{
    coalesce::{CallError, CoalesceLimits, Coalescer, Link, Replies, Weight},
    http::{BadLine, CorrelationId, ReplyLines},
    names::{FOLLOW_EVERY, System},
    protocol::{
        ALIVE_PATH, BUDGET_HEADER, Budget, CHARGE_PATH, Call, Charge, ChargeAnswer, MAX_CALL_BYTES, MAX_CALLS,
        MAX_REQUEST_BYTES, QUOTE_PATH, Quote, QuoteAnswer, REFUND_PATH, RELEASE_PATH, RESERVE_PATH, Refund, Refunded,
        Release, Released, Reply, Reserve, ReserveAnswer, SETTLE_PATH, SettleCharge, SettlePieces, Settled,
    },
    terms::{TERMS_HEADER, Terms},
};
use tokio::{sync::watch, time::Instant};

use super::{
    Asking, Payment, Stock,
    replicas::{Replica, Replicas, follow},
};

const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// Shorter than the time after which a participant closes a connection that carries nothing.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

const LIMITS: CoalesceLimits = CoalesceLimits {
    queue: 16_384,
    calls: MAX_CALLS,
    // The last call that is taken comes on top.
    size: MAX_REQUEST_BYTES - MAX_CALL_BYTES,
};

/// The HTTP client cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum ParticipantError {
    /// It cannot be built.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(#[from] reqwest::Error),
    /// The terms cannot be told.
    #[error("the terms cannot be told: {0}")]
    Terms(InvalidHeaderValue),
}

/// A call as it is sent: JSON.
struct Written(Vec<u8>);

impl Weight for Written {
    fn weight(&self) -> usize {
        // And what stands between it and the next one.
        self.0.len() + 1
    }
}

/// The way to one replica, for one kind of call.
struct ReplicaLink {
    client: Result<Client, String>,
    replica: Replica,
    path: &'static str,
    budget: Budget,
}

impl ReplicaLink {
    /// Each has connections of its own, so they are gone with it.
    fn new(replica: &Replica, path: &'static str, timeout: Duration, terms: Terms) -> Self {
        Self {
            client: client(timeout, terms).map_err(|error| error.to_string()),
            replica: replica.clone(),
            path,
            budget: Budget::within(timeout),
        }
    }

    async fn send(&self, request: impl FnOnce(&Client) -> RequestBuilder) -> Result<Response, CallError> {
        let client = self.client.as_ref().map_err(failed)?;
        let request = request(client).header(HOST, self.replica.host().clone());
        let response = request.send().await.map_err(failed)?;
        response.error_for_status().map_err(failed)
    }
}

impl<A: DeserializeOwned + Send + 'static> Link<Written, Reply<A>> for ReplicaLink {
    async fn ask(&self) -> Result<(), CallError> {
        let url = self.replica.url(ALIVE_PATH);
        self.send(|client| client.get(url)).await.map(drop)
    }

    async fn carry(&self, calls: Vec<Written>, replies: &mut Replies<Reply<A>>) -> Result<(), CallError> {
        let url = self.replica.url(self.path);
        let request = |client: &Client| {
            let request = client.post(url).header(CONTENT_TYPE, "application/json");
            request
                .header(BUDGET_HEADER, self.budget.milliseconds())
                .body(array(&calls))
        };
        let mut response = self.send(request).await?;
        replies.begun();
        let mut lines = ReplyLines::default();
        while let Some(piece) = response.chunk().await.map_err(failed)? {
            lines.take(&piece, |numbered| {
                replies.answer(numbered.index, numbered.reply).map_err(Unusable::Call)
            })?;
        }
        Ok(())
    }
}

/// An answer that goes wrong half-way.
enum Unusable {
    Line(BadLine),
    Call(CallError),
}

impl From<BadLine> for Unusable {
    fn from(error: BadLine) -> Self {
        Self::Line(error)
    }
}

impl From<Unusable> for CallError {
    fn from(unusable: Unusable) -> Self {
        match unusable {
            Unusable::Line(error) => failed(error),
            Unusable::Call(error) => error,
        }
    }
}

fn failed(cause: impl fmt::Display) -> CallError {
    CallError::Failed(cause.to_string())
}

/// The calls as one JSON array.
fn array(calls: &[Written]) -> Vec<u8> {
    let mut text = Vec::with_capacity(calls.iter().map(Weight::weight).sum::<usize>() + 2);
    text.push(b'[');
    for (number, Written(call)) in calls.iter().enumerate() {
        if number > 0 {
            text.push(b',');
        }
        text.extend_from_slice(call);
    }
    text.push(b']');
    text
}

/// A client that goes straight to where it is sent: what the environment says of proxies is for the world outside.
fn client(timeout: Duration, terms: Terms) -> Result<Client, ParticipantError> {
    let terms = HeaderValue::from_str(&terms.told()).map_err(ParticipantError::Terms)?;
    let client = Client::builder()
        .default_headers([(HeaderName::from_static(TERMS_HEADER), terms)].into_iter().collect())
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .timeout(timeout)
        .build()?;
    Ok(client)
}

/// One kind of call to one participant.
struct Calls<A> {
    coalescer: Coalescer<Written, Reply<A>>,
    timeout: Duration,
}

impl<A: DeserializeOwned + Send + 'static> Calls<A> {
    fn start(replicas: &watch::Receiver<Arc<[Replica]>>, path: &'static str, timeout: Duration, terms: Terms) -> Self {
        let open = move |replica: &Replica| ReplicaLink::new(replica, path, timeout, terms);
        Self {
            coalescer: Coalescer::start(LIMITS, replicas.clone(), open),
            timeout,
        }
    }

    fn ask<Q>(&self, request: Q) -> Asking<'_, A>
    where
        Q: Serialize + Send + 'static,
    {
        let until = Instant::now() + self.timeout;
        let call = Call {
            correlation_id: CorrelationId::current(),
            request,
        };
        async move {
            let call = serde_json::to_vec(&call).map_err(failed)?;
            if call.len() > MAX_CALL_BYTES {
                return Err(failed(format_args!(
                    "a call has {} bytes; allowed are {MAX_CALL_BYTES}",
                    call.len()
                )));
            }
            self.coalescer.call(Written(call), until).await?.into_answer()
        }
        .boxed()
    }
}

/// Stock in other processes.
pub struct HttpStock {
    reserve: Calls<ReserveAnswer>,
    release: Calls<Released>,
    settle: Calls<Settled>,
    quote: Calls<QuoteAnswer>,
}

impl HttpStock {
    /// Starts the senders and follows the replicas. A call that takes longer than `timeout` counts as unanswered.
    pub fn new(replicas: &Replicas, timeout: Duration, terms: Terms) -> Result<Self, ParticipantError> {
        // That one can be made is found out here, and not by the first call.
        client(timeout, terms)?;
        let replicas = follow("stock", replicas, System, FOLLOW_EVERY);
        Ok(Self {
            reserve: Calls::start(&replicas, RESERVE_PATH, timeout, terms),
            release: Calls::start(&replicas, RELEASE_PATH, timeout, terms),
            settle: Calls::start(&replicas, SETTLE_PATH, timeout, terms),
            quote: Calls::start(&replicas, QUOTE_PATH, timeout, terms),
        })
    }
}

impl Stock for HttpStock {
    fn reserve(&self, reserve: Reserve) -> Asking<'_, ReserveAnswer> {
        self.reserve.ask(reserve)
    }

    fn release(&self, release: Release) -> Asking<'_, Released> {
        self.release.ask(release)
    }

    fn settle(&self, settle: SettlePieces) -> Asking<'_, Settled> {
        self.settle.ask(settle)
    }

    fn quote(&self, quote: Quote) -> Asking<'_, QuoteAnswer> {
        self.quote.ask(quote)
    }
}

/// Payment in other processes.
pub struct HttpPayment {
    charge: Calls<ChargeAnswer>,
    refund: Calls<Refunded>,
    settle: Calls<Settled>,
}

impl HttpPayment {
    /// Starts the senders and follows the replicas. A call that takes longer than `timeout` counts as unanswered.
    pub fn new(replicas: &Replicas, timeout: Duration, terms: Terms) -> Result<Self, ParticipantError> {
        client(timeout, terms)?;
        let replicas = follow("payment", replicas, System, FOLLOW_EVERY);
        Ok(Self {
            charge: Calls::start(&replicas, CHARGE_PATH, timeout, terms),
            refund: Calls::start(&replicas, REFUND_PATH, timeout, terms),
            settle: Calls::start(&replicas, SETTLE_PATH, timeout, terms),
        })
    }
}

impl Payment for HttpPayment {
    fn charge(&self, charge: Charge) -> Asking<'_, ChargeAnswer> {
        self.charge.ask(charge)
    }

    fn refund(&self, refund: Refund) -> Asking<'_, Refunded> {
        self.refund.ask(refund)
    }

    fn settle(&self, settle: SettleCharge) -> Asking<'_, Settled> {
        self.settle.ask(settle)
    }
}

#[cfg(test)]
mod tests;
