//! The load: clients that check prepared orders out, each on a connection of its own.

use std::{
    cell::Cell,
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::ensure;
use futures::future::try_join_all;
use hdrhistogram::Histogram;

use crate::{connection::Connection, scenario::Orders};

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
    /// when it was to arrive, also where every client was still busy then: no coordinated omission.
    ///
    /// Source: Schroeder, Wierman, Harchol-Balter, "Open Versus Closed: A Cautionary Tale" (NSDI 2006).
    Open {
        /// Checkouts a second.
        rate: u32,
    },
}

/// What the clients saw.
pub(crate) struct Seen {
    /// How long each checkout took, in microseconds.
    pub(crate) latencies: Histogram<u64>,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
}

/// Checks orders out until the time is over or the orders are used up.
///
/// # Errors
/// Where a checkout is not a success: every prepared order can be paid, so that is a fault.
pub(crate) async fn check_out(
    addresses: &[SocketAddr],
    clients: u32,
    pace: Pace,
    time: Duration,
    orders: &Orders,
) -> anyhow::Result<Seen> {
    let addresses = addresses.iter().cycle().take(clients as usize);
    let connections = try_join_all(addresses.map(|address| Connection::open(*address))).await?;
    let arrivals = Arrivals::start(pace, time);
    let clients = connections
        .into_iter()
        .map(|client| keep_checking_out(client, &arrivals, orders));
    let each = try_join_all(clients).await?;
    let elapsed = arrivals.started.elapsed();
    let mut latencies = histogram()?;
    for client in each {
        latencies.add(client)?;
    }
    Ok(Seen { latencies, elapsed })
}

/// Hands out the moments at which checkouts are to arrive.
struct Arrivals {
    pace: Pace,
    started: Instant,
    time: Duration,
    count: Cell<u32>,
}

impl Arrivals {
    fn start(pace: Pace, time: Duration) -> Self {
        Self {
            pace,
            started: Instant::now(),
            time,
            count: Cell::new(0),
        }
    }

    /// The next moment, waited for where it lies ahead; `None` where the time is over by then.
    async fn next(&self) -> Option<Instant> {
        let arrival = match self.pace {
            Pace::Closed => Instant::now(),
            Pace::Open { rate } => {
                let number = self.count.replace(self.count.get() + 1);
                self.started + Duration::from_secs(1) * number / rate
            }
        };
        if arrival.duration_since(self.started) >= self.time {
            return None;
        }
        // The timer costs something even where there is nothing to wait for.
        if arrival > Instant::now() {
            tokio::time::sleep_until(arrival.into()).await;
        }
        Some(arrival)
    }
}

async fn keep_checking_out(
    mut client: Connection,
    arrivals: &Arrivals,
    orders: &Orders,
) -> anyhow::Result<Histogram<u64>> {
    let mut latencies = histogram()?;
    while let Some(arrival) = arrivals.next().await {
        let Some(order) = orders.borrow_mut().pop_front() else {
            break;
        };
        let path = format!("/orders/checkout/{order}");
        let answer = client.post(&path).await?;
        latencies.saturating_record(u64::try_from(arrival.elapsed().as_micros())?);
        ensure!(
            answer.status.is_success(),
            "{path} was answered {}: {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
    }
    Ok(latencies)
}

fn histogram() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, LONGEST, DIGITS)?)
}
