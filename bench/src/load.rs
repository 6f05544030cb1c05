//! The load: clients that check prepared orders out, each on a connection of its own.

use std::{
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

/// What the clients saw.
pub(crate) struct Seen {
    /// How long each checkout took, in microseconds.
    pub(crate) latencies: Histogram<u64>,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
}

/// Closed loop: each client asks, waits for the answer, and asks again, until the time is over or the
/// orders are used up.
///
/// # Errors
/// Where a checkout is not a success: every prepared order can be paid, so that is a fault.
pub(crate) async fn closed_loop(
    addresses: &[SocketAddr],
    clients: u32,
    time: Duration,
    orders: &Orders,
) -> anyhow::Result<Seen> {
    let connections = try_join_all(
        addresses
            .iter()
            .cycle()
            .take(clients as usize)
            .map(|address| Connection::open(*address)),
    )
    .await?;
    let started = Instant::now();
    let until = started + time;
    let each = try_join_all(connections.into_iter().map(|client| check_out(client, until, orders))).await?;
    let elapsed = started.elapsed();
    let mut latencies = histogram()?;
    for client in each {
        latencies.add(client)?;
    }
    Ok(Seen { latencies, elapsed })
}

async fn check_out(mut client: Connection, until: Instant, orders: &Orders) -> anyhow::Result<Histogram<u64>> {
    let mut latencies = histogram()?;
    while Instant::now() < until {
        let Some(order) = orders.borrow_mut().pop_front() else {
            break;
        };
        let path = format!("/orders/checkout/{order}");
        let asked = Instant::now();
        let answer = client.post(&path).await?;
        latencies.saturating_record(u64::try_from(asked.elapsed().as_micros())?);
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
