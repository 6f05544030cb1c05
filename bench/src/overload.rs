//! Ten times as many callers as the system serves at once. Who is refused waits as long as the answer says,
//! and asks again for the same order.

use std::{
    cell::RefCell,
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use futures::future::try_join_all;
use hdrhistogram::Histogram;
use hyper::StatusCode;

use crate::{
    connection::Connection,
    load::{LoadResult, connections, histogram, record},
    shop::Orders,
};

/// The services' setting for how many calls they serve at once.
pub(crate) const LIMIT_SETTING: &str = "MAX_CALLS";
/// The one for how many of them may be checkouts: fewer.
pub(crate) const CHECKOUTS_SETTING: &str = "MAX_CHECKOUTS";
/// How many calls they serve at once in this scenario.
pub(crate) const LIMIT: u32 = 256;
/// How many callers there are.
const CALLERS: u32 = 10 * LIMIT;

/// What the callers saw.
pub(crate) struct OverloadSeen {
    /// The checkouts that were accepted; each one's time counts from the call that was.
    pub(crate) accepted: LoadResult,
    /// How long each refusal took, in microseconds.
    pub(crate) refusals: Histogram<u64>,
}

/// Asks until the time is over or the orders are used up.
///
/// # Errors
/// If an answer is neither 200 nor a refusal that says when to ask again.
pub(crate) async fn overload(
    addresses: &[SocketAddr],
    time: Duration,
    orders: &Orders,
) -> anyhow::Result<OverloadSeen> {
    let connections = connections(addresses, CALLERS).await?;
    // One for all: thousands of histograms would take their memory and time from what is measured.
    let (accepted, refusals) = (RefCell::new(histogram()?), RefCell::new(histogram()?));
    let started = Instant::now();
    let callers = connections.into_iter().map(|connection| {
        let caller = Caller {
            connection,
            accepted: &accepted,
            refusals: &refusals,
        };
        caller.keep_asking(started + time, orders)
    });
    try_join_all(callers).await?;
    let elapsed = started.elapsed();
    let accepted = accepted.into_inner();
    Ok(OverloadSeen {
        accepted: LoadResult {
            paid: accepted.len(),
            latencies: accepted,
            elapsed,
        },
        refusals: refusals.into_inner(),
    })
}

struct Caller<'a> {
    connection: Connection,
    accepted: &'a RefCell<Histogram<u64>>,
    refusals: &'a RefCell<Histogram<u64>>,
}

impl Caller<'_> {
    async fn keep_asking(mut self, end: Instant, orders: &Orders) -> anyhow::Result<()> {
        while Instant::now() < end {
            let Some(order) = orders.borrow_mut().pop_front() else {
                break;
            };
            self.ask_until_accepted(&order, end).await?;
        }
        Ok(())
    }

    /// Gives the order up if the next call would lie past the end.
    async fn ask_until_accepted(&mut self, order: &str, end: Instant) -> anyhow::Result<()> {
        let path = format!("/orders/checkout/{order}");
        loop {
            let asked = Instant::now();
            let answer = self.connection.post(&path).await?;
            let latency = asked.elapsed();
            match answer.status {
                StatusCode::OK => {
                    record(&mut self.accepted.borrow_mut(), latency);
                    return Ok(());
                }
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                    record(&mut self.refusals.borrow_mut(), latency);
                    let wait = answer.retry_after;
                    let wait = wait.with_context(|| format!("no Retry-After with {}", answer.in_words()))?;
                    if Instant::now() + wait >= end {
                        return Ok(());
                    }
                    tokio::time::sleep(wait).await;
                }
                _ => bail!("{path} was answered {}", answer.in_words()),
            }
        }
    }
}
