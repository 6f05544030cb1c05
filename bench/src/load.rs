//! The load: clients that check prepared orders out, each on a connection of its own.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::ensure;
use futures::future::try_join_all;
use hdrhistogram::Histogram;

use crate::{
    connection::{Answer, Connection},
    scenario::Scenario,
    shop::Orders,
};

/// Longer answers count as this long. In microseconds.
const LONGEST: u64 = 60_000_000;
/// Latencies are kept to a thousandth of their size.
const DIGITS: u8 = 3;

/// When the clients ask.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// Closed loop: each client asks again as soon as it has its answer. A slow system is asked less.
    Closed,
    /// Open loop: so many checkouts a second arrive, whatever the system does. A checkout's time counts from
    /// when it was to arrive, also if every client was still busy then: no coordinated omission.
    ///
    /// Source: Schroeder, Wierman, Harchol-Balter, "Open Versus Closed: A Cautionary Tale" (NSDI 2006).
    Open {
        /// Checkouts a second.
        rate: u32,
    },
    /// All arrive at the start, and wait for a free client: a checkout's time counts from the start.
    AtOnce,
}

/// What the clients saw.
pub(crate) struct LoadResult {
    /// How long each checkout took, in microseconds.
    pub(crate) latencies: Histogram<u64>,
    /// How many of them were paid.
    pub(crate) paid: u64,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
}

/// Which checkouts are made, by how many clients, when, and for how long at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) scenario: Scenario,
    pub(crate) clients: u32,
    pub(crate) pace: Pace,
    pub(crate) time: Duration,
}

/// Checks orders out until the time is over or the orders are used up.
///
/// # Errors
/// If an answer is not one that the scenario expects: what can be paid is paid, so that is a fault.
pub(crate) async fn check_out(addresses: &[SocketAddr], load: Load, orders: &Orders) -> anyhow::Result<LoadResult> {
    let connections = connections(addresses, load.clients).await?;
    // One for all: a thousand histograms would take their memory and time from what is measured.
    let latencies = RefCell::new(histogram()?);
    let paid = Cell::new(0);
    let arrivals = Arrivals::start(load.pace, load.time);
    let clients = connections.into_iter().map(|client| {
        let answered = |latency, answer: &Answer| {
            record(&mut latencies.borrow_mut(), latency);
            paid.set(paid.get() + u64::from(answer.status.is_success()));
        };
        keep_checking_out(client, &arrivals, load.scenario, orders, answered)
    });
    try_join_all(clients).await?;
    let elapsed = arrivals.started.elapsed();
    Ok(LoadResult {
        latencies: latencies.into_inner(),
        paid: paid.get(),
        elapsed,
    })
}

/// So many connections, to each address in turn.
///
/// # Errors
/// If nobody listens.
pub(crate) async fn connections(addresses: &[SocketAddr], count: u32) -> anyhow::Result<Vec<Connection>> {
    let addresses = addresses.iter().cycle().take(count as usize);
    try_join_all(addresses.map(|address| Connection::open(*address))).await
}

/// Hands out the moments at which checkouts are to arrive.
pub(crate) struct Arrivals {
    pace: Pace,
    pub(crate) started: Instant,
    time: Duration,
    count: Cell<u32>,
}

impl Arrivals {
    /// Starts now, for so long.
    pub(crate) fn start(pace: Pace, time: Duration) -> Self {
        Self {
            pace,
            started: Instant::now(),
            time,
            count: Cell::new(0),
        }
    }

    /// The next moment, waited for if it lies ahead; `None` if the time is over by then.
    pub(crate) async fn next(&self) -> Option<Instant> {
        let arrival = match self.pace {
            Pace::Closed => Instant::now(),
            Pace::AtOnce => self.started,
            Pace::Open { rate } => {
                let number = self.count.replace(self.count.get() + 1);
                self.started + Duration::from_secs(1) * number / rate
            }
        };
        if arrival.duration_since(self.started) >= self.time {
            return None;
        }
        // The timer costs something even if there is nothing to wait for.
        if arrival > Instant::now() {
            tokio::time::sleep_until(arrival.into()).await;
        }
        Some(arrival)
    }
}

async fn keep_checking_out(
    mut client: Connection,
    arrivals: &Arrivals,
    scenario: Scenario,
    orders: &Orders,
    answered: impl Fn(Duration, &Answer),
) -> anyhow::Result<()> {
    while let Some(arrival) = arrivals.next().await {
        let Some(order) = orders.borrow_mut().pop_front() else {
            break;
        };
        let path = format!("/orders/checkout/{order}");
        let key = (scenario == Scenario::Keyed).then_some(order.as_str());
        let answer = client.post_keyed(&path, key).await?;
        answered(arrival.elapsed(), &answer);
        ensure!(scenario.expects(&answer), "{path} was answered {}", answer.in_words());
    }
    Ok(())
}

/// Counts one latency.
pub(crate) fn record(latencies: &mut Histogram<u64>, latency: Duration) {
    latencies.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(LONGEST));
}

/// A histogram of latencies in microseconds.
///
/// # Errors
/// None, as its bounds are right.
pub(crate) fn histogram() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, LONGEST, DIGITS)?)
}
