//! Participants in other processes, over HTTP with keep-alive. Calls that wait share a request.

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use futures::FutureExt;
use reqwest::{Client, Url};
use serde::{Serialize, de::DeserializeOwned};
use shared::{
    coalesce::{CallError, CoalesceLimits, Coalescer},
    http::CorrelationId,
    protocol::{
        CHARGE_PATH, Call, Charge, ChargeAnswer, MAX_CALLS, QUOTE_PATH, Quote, QuoteAnswer, REFUND_PATH, RELEASE_PATH,
        RESERVE_PATH, Refund, Refunded, Release, Released, Reply, Reserve, ReserveAnswer, SETTLE_PATH, SettleCharge,
        SettlePieces, Settled,
    },
};

use super::{Asking, Payment, Stock};

const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

const LIMITS: CoalesceLimits = CoalesceLimits {
    queue: 16_384,
    calls: MAX_CALLS,
};

/// A participant's replicas: their base URLs, separated by commas.
#[derive(Debug, Clone)]
pub struct Replicas(Arc<[Url]>);

/// The text does not name replicas.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{text:?} is not a list of http:// base URLs, separated by commas")]
pub struct BadReplicas {
    text: String,
}

impl FromStr for Replicas {
    type Err = BadReplicas;

    fn from_str(text: &str) -> Result<Self, BadReplicas> {
        let bad = || BadReplicas { text: text.into() };
        let urls: Vec<Url> = text
            .split(',')
            .map(|url| Url::parse(url.trim()).ok().filter(|url| url.scheme() == "http"))
            .collect::<Option<_>>()
            .ok_or_else(bad)?;
        Ok(Self(urls.into()))
    }
}

impl fmt::Display for Replicas {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls: Vec<&str> = self.0.iter().map(Url::as_str).collect();
        formatter.write_str(&urls.join(","))
    }
}

/// The HTTP client cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be set up: {0}")]
pub struct ParticipantError(#[from] reqwest::Error);

/// One kind of call to one participant.
struct Calls<Q, A>(Coalescer<Call<Q>, Reply<A>>);

impl<Q, A> Calls<Q, A>
where
    Q: Serialize + Send + Sync + 'static,
    A: DeserializeOwned + Send + 'static,
{
    fn start(client: &Client, replicas: &Replicas, path: &'static str) -> Self {
        let client = client.clone();
        let replicas = replicas.clone();
        Self(Coalescer::start(
            LIMITS,
            replicas.0.len(),
            move |replica, calls: Vec<Call<Q>>| {
                let request = replicas.0[replica].join(path).map(|url| client.post(url));
                async move {
                    let failed = |cause: &dyn fmt::Display| CallError::Failed(cause.to_string());
                    let request = request.map_err(|cause| failed(&cause))?;
                    let response = request.json(&calls).send().await.map_err(|cause| failed(&cause))?;
                    let response = response.error_for_status().map_err(|cause| failed(&cause))?;
                    response.json().await.map_err(|cause| failed(&cause))
                }
            },
        ))
    }

    fn ask(&self, request: Q) -> Asking<'_, A> {
        let call = Call {
            correlation_id: CorrelationId::current(),
            request,
        };
        async move {
            match self.0.call(call).await? {
                Reply::Done(answer) => Ok(answer),
                Reply::Failed(cause) => Err(CallError::Failed(cause)),
            }
        }
        .boxed()
    }
}

fn client(timeout: Duration) -> Result<Client, ParticipantError> {
    Ok(Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(timeout)
        .build()?)
}

/// Stock in other processes.
pub struct HttpStock {
    reserve: Calls<Reserve, ReserveAnswer>,
    release: Calls<Release, Released>,
    settle: Calls<SettlePieces, Settled>,
    quote: Calls<Quote, QuoteAnswer>,
}

impl HttpStock {
    /// Starts the senders. A request that takes longer than `timeout` counts as unanswered.
    pub fn new(replicas: &Replicas, timeout: Duration) -> Result<Self, ParticipantError> {
        let client = client(timeout)?;
        Ok(Self {
            reserve: Calls::start(&client, replicas, RESERVE_PATH),
            release: Calls::start(&client, replicas, RELEASE_PATH),
            settle: Calls::start(&client, replicas, SETTLE_PATH),
            quote: Calls::start(&client, replicas, QUOTE_PATH),
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
    charge: Calls<Charge, ChargeAnswer>,
    refund: Calls<Refund, Refunded>,
    settle: Calls<SettleCharge, Settled>,
}

impl HttpPayment {
    /// Starts the senders. A request that takes longer than `timeout` counts as unanswered.
    pub fn new(replicas: &Replicas, timeout: Duration) -> Result<Self, ParticipantError> {
        let client = client(timeout)?;
        Ok(Self {
            charge: Calls::start(&client, replicas, CHARGE_PATH),
            refund: Calls::start(&client, replicas, REFUND_PATH),
            settle: Calls::start(&client, replicas, SETTLE_PATH),
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
