//! A soak: whole purchases at a fixed rate for a long time, and what grows meanwhile.
//!
//! Nothing reads `/metrics` and nothing is set back, as in a deployment that is left alone.

mod memory;
mod purchases;
pub(crate) mod table;

use std::time::Duration;

use anyhow::bail;
use serde::Serialize;

use self::{
    memory::{Bound, Growth, Sample, growth},
    purchases::{Tally, buy},
};
use crate::{
    audit::audit,
    load::Pace,
    numbers::float,
    options::SoakOptions,
    process::{Kind, Usage},
    redis::Counters,
    run::Latency,
    scenario::Scenario,
    shop::Shop,
    system::{Composition, Settings, System},
};

/// How many items and users there are.
const RECORDS: u32 = 100_000;
/// How long the peak is measured, of which the rate is the half.
const PEAK: Duration = Duration::from_secs(10);
/// How often memory is looked at.
const SAMPLED_EVERY: Duration = Duration::from_secs(10);
/// How often the progress is told.
const TOLD_EVERY: u32 = 6;
/// What comes before is told apart: caches, pools and tables take the size that they need. A third of a short soak.
const WARM_UP: Duration = Duration::from_secs(5 * 60);

/// What a soak found.
#[derive(Debug, Serialize)]
pub(crate) struct SoakResult {
    /// Why the soak did not come to its end, or what the audit found after it.
    pub(crate) failure: Option<String>,
    /// For how long, in seconds.
    pub(crate) seconds: f64,
    /// Orders a second that were to arrive.
    pub(crate) rate: u32,
    /// How many orders were paid.
    pub(crate) paid: u64,
    /// How many calls were refused with 429 or 503.
    pub(crate) refused: u64,
    /// How long checkouts took.
    pub(crate) latency_ms: Latency,
    /// From when on growth counts, in seconds.
    pub(crate) warm_up_s: f64,
    /// What became of each process's memory.
    pub(crate) growth: Vec<Growth>,
    /// All that was sampled.
    pub(crate) samples: Vec<Sample>,
}

/// Makes a soak, and audits what it leaves. It does not come to its end if a process ends, or if a call is answered
/// with something that is neither a success nor a refusal; what was sampled until then may tell why.
///
/// # Errors
/// If it cannot be begun.
pub(crate) async fn soak(options: &SoakOptions) -> anyhow::Result<SoakResult> {
    let settings = Settings {
        fsync: options.fsync.clone(),
        variables: options.settings.clone(),
    };
    let system = System::start(Composition::Standalone, &settings).await;
    Shop::open(Scenario::Uniform, &system.addresses, RECORDS, 0).await?;
    let rate = match options.rate {
        Some(rate) => rate,
        None => half_of_peak(options, &system).await?,
    };
    let time = Duration::from_secs(60) * options.minutes;
    eprintln!("soak: {rate} orders/s for {} minutes", options.minutes);
    let tally = Tally::new()?;
    let bought = tokio::select! {
        bought = buy(&system.addresses, options.clients, Pace::Open { rate }, time, &tally) => bought,
        failed = keep_sampling(&system, &tally) => Err(failed),
    };
    let seconds = tally.elapsed().as_secs_f64();
    let failure = match bought {
        Ok(_) => audit(&system, tally.paid()).await.err(),
        Err(failure) => Some(failure),
    };
    let warm_up = WARM_UP.min(time / 3).as_secs_f64();
    let samples = tally.samples();
    Ok(SoakResult {
        failure: failure.map(|failure| format!("{failure:#}")),
        seconds,
        rate,
        paid: tally.paid(),
        refused: tally.refused(),
        latency_ms: tally.latency(),
        warm_up_s: warm_up,
        growth: growth(&samples, warm_up),
        samples,
    })
}

impl SoakResult {
    /// # Errors
    /// If the soak did not come to its end, or something grew by more than it may.
    pub(crate) fn verdict(&self) -> anyhow::Result<()> {
        if let Some(failure) = &self.failure {
            bail!("{failure}");
        }
        let beyond: Vec<&str> = self
            .growth
            .iter()
            .filter(|growth| !growth.is_within_its_bound())
            .map(|growth| growth.what.as_str())
            .collect();
        if !beyond.is_empty() {
            bail!("grew by more than its bound: {}", beyond.join(", "));
        }
        Ok(())
    }
}

async fn half_of_peak(options: &SoakOptions, system: &System) -> anyhow::Result<u32> {
    let tally = Tally::new()?;
    let elapsed = buy(&system.addresses, options.clients, Pace::Closed, PEAK, &tally).await?;
    let peak = float(tally.paid()) / elapsed.as_secs_f64();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate is positive and far below 2^32"
    )]
    let half = (peak / 2.0).round() as u32;
    Ok(half.max(1))
}

/// Samples until it cannot, and returns why.
async fn keep_sampling(system: &System, tally: &Tally) -> anyhow::Error {
    let mut clock = tokio::time::interval(SAMPLED_EVERY);
    for number in 0u32.. {
        clock.tick().await;
        match sample(system, tally).await {
            Ok(sample) => tally.add(sample),
            Err(error) => return error,
        }
        if number > 0 && number.is_multiple_of(TOLD_EVERY) {
            let minute = number / TOLD_EVERY;
            eprintln!("minute {minute}: {} paid, {} refused", tally.paid(), tally.refused());
        }
    }
    anyhow::anyhow!("a soak does not take that long")
}

async fn sample(system: &System, tally: &Tally) -> anyhow::Result<Sample> {
    let mut bytes = Vec::new();
    for (kind, pid) in system.services() {
        let used = Usage::read(*kind, *pid)?;
        bytes.push((Bound::Flat, format!("{}, resident", kind.name()), used.resident));
    }
    for (service, store) in &system.stores {
        let service = service.as_str();
        let counters = Counters::read(store).await?;
        let resident = Usage::read(Kind::Redis, counters.pid)?.resident;
        bytes.push((
            Bound::stored(service),
            format!("redis of {service}, used"),
            counters.used_memory,
        ));
        bytes.push((
            Bound::resident(service),
            format!("redis of {service}, resident"),
            resident,
        ));
    }
    Ok(Sample::new(tally.elapsed(), tally.paid(), bytes))
}
