//! The load of a soak: each client creates an order, fills it, and checks it out.

use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant},
};

use anyhow::ensure;
use futures::future::try_join_all;
use hdrhistogram::Histogram;
use hyper::StatusCode;
use rand::RngExt;

use super::{RECORDS, memory::Sample};
use crate::{
    connection::{Answer, Connection},
    load::{Arrivals, Pace, connections, histogram, record},
    run::Latency,
    system::Addresses,
};

const LINES: u32 = 2;

/// What has been bought so far, and what was seen meanwhile.
pub(crate) struct Tally {
    started: Instant,
    paid: Cell<u64>,
    refused: Cell<u64>,
    latencies: RefCell<Histogram<u64>>,
    samples: RefCell<Vec<Sample>>,
}

impl Tally {
    /// Nothing, from now on.
    ///
    /// # Errors
    /// None, as the histogram's bounds are right.
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            started: Instant::now(),
            paid: Cell::new(0),
            refused: Cell::new(0),
            latencies: RefCell::new(histogram()?),
            samples: RefCell::default(),
        })
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn paid(&self) -> u64 {
        self.paid.get()
    }

    pub(crate) fn refused(&self) -> u64 {
        self.refused.get()
    }

    pub(crate) fn latency(&self) -> Latency {
        Latency::of(&self.latencies.borrow())
    }

    pub(crate) fn add(&self, sample: Sample) {
        self.samples.borrow_mut().push(sample);
    }

    pub(crate) fn samples(&self) -> Vec<Sample> {
        self.samples.take()
    }
}

/// Buys until the time is over, and returns how long that took.
///
/// # Errors
/// If a call is answered with something that is neither a success nor a refusal to try.
pub(crate) async fn buy(
    addresses: &Addresses,
    clients: u32,
    pace: Pace,
    time: Duration,
    tally: &Tally,
) -> anyhow::Result<Duration> {
    let connections = connections(&addresses.order, clients).await?;
    let arrivals = Arrivals::start(pace, time);
    try_join_all(
        connections
            .into_iter()
            .map(|client| keep_buying(client, &arrivals, tally)),
    )
    .await?;
    Ok(arrivals.started.elapsed())
}

async fn keep_buying(mut client: Connection, arrivals: &Arrivals, tally: &Tally) -> anyhow::Result<()> {
    while arrivals.next().await.is_some() {
        let bought = purchase(&mut client, tally).await?;
        let count = if bought { &tally.paid } else { &tally.refused };
        count.set(count.get() + 1);
    }
    Ok(())
}

/// One purchase. It is given up at its first refusal, as a client that is told to come back later may do.
async fn purchase(client: &mut Connection, tally: &Tally) -> anyhow::Result<bool> {
    let created = client.post(&format!("/orders/create/{}", any_record())).await?;
    if !is_success("create", &created)? {
        return Ok(false);
    }
    let order = created.text_field("order_id")?;
    for _ in 0..LINES {
        let line = client
            .post(&format!("/orders/addItem/{order}/{}/1", any_record()))
            .await?;
        if !is_success("addItem", &line)? {
            return Ok(false);
        }
    }
    let asked = Instant::now();
    let checkout = client.post(&format!("/orders/checkout/{order}")).await?;
    record(&mut tally.latencies.borrow_mut(), asked.elapsed());
    is_success("checkout", &checkout)
}

fn any_record() -> u32 {
    rand::rng().random_range(0..RECORDS)
}

fn is_success(call: &str, answer: &Answer) -> anyhow::Result<bool> {
    let refused = matches!(
        answer.status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    );
    let success = answer.status.is_success();
    ensure!(success || refused, "{call} was answered {}", answer.in_words());
    Ok(success)
}
