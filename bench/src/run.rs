//! What one run measured: a row of every table, and an object of the JSON file.

use std::{collections::BTreeMap, fmt, time::Duration};

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::{
    audit::Audit,
    gauges::Costs,
    load::LoadResult,
    numbers::{float, milliseconds},
    scenario::Scenario,
};

/// The quantiles that are plotted.
const PLOTTED: [f64; 11] = [0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9995, 0.9999, 1.0];

/// What was run. Runs of one kind are the rounds of one experiment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Experiment {
    /// What was bought.
    pub(crate) scenario: Scenario,
    /// Which system was measured.
    pub(crate) system: String,
    /// How soon a change was on disk, if it is known.
    pub(crate) fsync: Option<String>,
    /// Whether checkouts arrived at a fixed rate.
    pub(crate) open_loop: bool,
}

/// One run.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    #[serde(flatten)]
    pub(crate) experiment: Experiment,
    /// In which round, counted from 1.
    pub(crate) round: u32,
    /// How many clients asked at once.
    pub(crate) clients: u32,
    /// How many checkouts a second were to arrive; none in a closed loop.
    pub(crate) rate: Option<u32>,
    /// How many checkouts were answered as the scenario expects.
    pub(crate) checkouts: u64,
    /// How many of them were paid.
    pub(crate) paid: u64,
    /// How many a second.
    pub(crate) checkouts_per_second: f64,
    /// From the first request to the last answer, in seconds.
    pub(crate) seconds: f64,
    /// Latencies, in milliseconds.
    pub(crate) latency_ms: Latency,
    /// More of them: quantile and milliseconds.
    pub(crate) quantiles_ms: Vec<(f64, f64)>,
    /// What only some scenarios measure.
    pub(crate) details: Details,
    /// What it cost, if the system is this program's own.
    pub(crate) costs: Option<Costs>,
    /// By how many bytes each service's Redis has grown for each checkout when, after the grace time, the holds are
    /// forgotten; none if that was not measured.
    pub(crate) stored_bytes_after_grace: Option<BTreeMap<&'static str, f64>>,
    /// What the auditor found, if the system is this program's own.
    pub(crate) audit: Option<Audit>,
}

/// How long checkouts took, in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

/// What only some scenarios measure.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Details {
    /// The scenario has none.
    None,
    /// A flash sale.
    FlashSale {
        /// How many heard that nothing is left.
        sold_out: u64,
        /// Until the last buyer had an answer, in seconds.
        all_answered_s: f64,
    },
    /// A run with consumers beside it.
    Events {
        /// How many events they were given.
        given: u64,
        /// How long an event took from its decision to its handler.
        to_handler_ms: Latency,
    },
    /// A mixed run.
    Mixed {
        /// How many calls there were, of all sorts.
        calls: u64,
        /// How many a second.
        calls_per_second: f64,
        /// How long they took.
        calls_ms: Latency,
    },
    /// An overload.
    Overload {
        /// What as many clients as usual got accepted a second, just before.
        peak_per_second: f64,
        /// What was accepted under overload, as a ratio to that.
        ratio_to_peak: f64,
        /// How many calls were refused.
        refused: u64,
        /// The slowest refusal, in milliseconds.
        slowest_refusal_ms: f64,
    },
}

impl Run {
    /// Sums up what the clients saw. What else is known is added by whoever knows it.
    pub(crate) fn new(experiment: Experiment, round: u32, clients: u32, rate: Option<u32>, seen: &LoadResult) -> Self {
        let checkouts = seen.latencies.len();
        let seconds = seen.elapsed.as_secs_f64();
        Self {
            experiment,
            round,
            clients,
            rate,
            checkouts,
            paid: seen.paid,
            checkouts_per_second: float(checkouts) / seconds,
            seconds,
            latency_ms: Latency::of(&seen.latencies),
            quantiles_ms: PLOTTED
                .iter()
                .map(|&quantile| (quantile, at(&seen.latencies, quantile)))
                .collect(),
            details: Details::None,
            costs: None,
            stored_bytes_after_grace: None,
            audit: None,
        }
    }
}

impl Latency {
    /// The usual quantiles of a histogram of microseconds.
    pub(crate) fn of(latencies: &Histogram<u64>) -> Self {
        Self {
            p50: at(latencies, 0.5),
            p99: at(latencies, 0.99),
            p999: at(latencies, 0.999),
            max: at(latencies, 1.0),
        }
    }
}

impl fmt::Display for Experiment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut name = format!("{} at {}", self.scenario, self.system);
        if let Some(fsync) = &self.fsync {
            name.push_str(", ");
            name.push_str(fsync);
        }
        if self.open_loop {
            name.push_str(", open loop");
        }
        formatter.pad(&name)
    }
}

/// A quantile of a histogram of microseconds, in milliseconds.
fn at(latencies: &Histogram<u64>, quantile: f64) -> f64 {
    milliseconds(Duration::from_micros(latencies.value_at_quantile(quantile)))
}
