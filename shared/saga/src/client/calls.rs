//! Calls over HTTP with keep-alive.

use std::{fmt, sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use ledger::Terms;
use reqwest::{
    Client, ClientBuilder, RequestBuilder, Response,
    header::{CONTENT_TYPE, HeaderName, HeaderValue, InvalidHeaderValue},
};
use serde::de::DeserializeOwned;
use tokio::{sync::watch, time::Instant};
use tokio_rustls::rustls::ClientConfig;
use web::names::{FOLLOW_EVERY, System};

use super::{
    CallError,
    coalesce::{CoalesceLimits, Coalescer, Link, Replies, Weight},
    replicas::{Replica, Replicas, follow},
};
use crate::{
    ALIVE_PATH, BUDGET_HEADER, BadLine, Budget, Call, MAX_CALL_BYTES, MAX_CALLS, MAX_REQUEST_BYTES, Reply, ReplyLines,
    Request, TERMS_HEADER,
};

/// What one call gives: an answer, or no answer, in which case it may or may not have happened.
pub type Answering<'a, A> = BoxFuture<'a, Result<A, CallError>>;

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
pub enum ClientError {
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
    fn new(replica: &Replica, path: &'static str, how: &How) -> Self {
        let client = how.client().and_then(|client| Ok(replica.found_by(client).build()?));
        Self {
            client: client.map_err(|error| error.to_string()),
            replica: replica.clone(),
            path,
            budget: Budget::within(how.timeout),
        }
    }

    async fn send(&self, request: impl FnOnce(&Client) -> RequestBuilder) -> Result<Response, CallError> {
        let client = self.client.as_ref().map_err(failed)?;
        let response = request(client).send().await.map_err(failed)?;
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

/// How a participant is called.
#[derive(Clone)]
struct How {
    timeout: Duration,
    terms: Terms,
    tls: Arc<ClientConfig>,
}

impl How {
    /// A client that goes straight to where it is sent: what the environment says of proxies is for the world outside.
    fn client(&self) -> Result<ClientBuilder, ClientError> {
        let terms = HeaderValue::from_str(&self.terms.header_value()).map_err(ClientError::Terms)?;
        let client = Client::builder()
            .default_headers([(HeaderName::from_static(TERMS_HEADER), terms)].into_iter().collect())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .timeout(self.timeout)
            .tls_backend_preconfigured(ClientConfig::clone(&self.tls));
        Ok(client)
    }
}

/// A participant in other processes.
pub struct Participant {
    replicas: watch::Receiver<Arc<[Replica]>>,
    how: How,
}

impl Participant {
    /// Follows the replicas of the participant of this name, and trusts them as `tls` says if they are called by https. A
    /// call that takes longer than `timeout` counts as unanswered.
    ///
    /// # Errors
    /// No HTTP client can be made. That is found out here, and not by the first call.
    pub fn new(
        name: &'static str,
        replicas: &Replicas,
        timeout: Duration,
        terms: Terms,
        tls: Arc<ClientConfig>,
    ) -> Result<Self, ClientError> {
        let how = How { timeout, terms, tls };
        how.client()?.build()?;
        Ok(Self {
            replicas: follow(name, replicas, System, FOLLOW_EVERY),
            how,
        })
    }

    /// Starts the senders of one kind of call.
    #[must_use]
    pub fn calls<Q: Request>(&self) -> Calls<Q> {
        let how = self.how.clone();
        let open = move |replica: &Replica| ReplicaLink::new(replica, Q::PATH, &how);
        Calls {
            coalescer: Coalescer::start(LIMITS, self.replicas.clone(), open),
            timeout: self.how.timeout,
        }
    }
}

/// One kind of call to one participant.
pub struct Calls<Q: Request> {
    coalescer: Coalescer<Written, Reply<Q::Answer>>,
    timeout: Duration,
}

impl<Q: Request> Calls<Q> {
    /// Makes one call.
    pub fn call(&self, request: Q) -> Answering<'_, Q::Answer> {
        let until = Instant::now() + self.timeout;
        let call = Call::new(request);
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

#[cfg(test)]
mod tests;
