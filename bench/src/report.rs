//! What a run measured, as a table for people and as JSON for programs.

use std::time::Duration;

use serde::Serialize;

use crate::{load::Seen, scenario::Scenario, system::ProcessorTime};

/// One run of one scenario.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    /// What was bought.
    pub(crate) scenario: Scenario,
    /// How many clients asked at once.
    pub(crate) clients: u32,
    /// How many checkouts were paid.
    pub(crate) checkouts: u64,
    /// How many a second.
    pub(crate) checkouts_per_second: f64,
    /// Latencies, in milliseconds.
    pub(crate) latency_ms: Latency,
    /// Processor time for each checkout, in microseconds.
    pub(crate) processor_us: Cost,
}

/// How long checkouts took, in milliseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Latency {
    p50: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

/// Processor time for each checkout, in microseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Cost {
    services: f64,
    redis: f64,
}

impl Run {
    /// Sums a run up.
    pub(crate) fn new(scenario: Scenario, clients: u32, seen: &Seen, used: ProcessorTime) -> Self {
        let checkouts = seen.latencies.len();
        #[expect(clippy::cast_precision_loss, reason = "a run has far fewer than 2^52 checkouts")]
        let count = checkouts as f64;
        #[expect(clippy::cast_precision_loss, reason = "no latency is longer than a minute")]
        let quantile = |quantile| seen.latencies.value_at_quantile(quantile) as f64 / 1e3;
        let each = |time: Duration| time.as_secs_f64() * 1e6 / count.max(1.0);
        Self {
            scenario,
            clients,
            checkouts,
            checkouts_per_second: count / seen.elapsed.as_secs_f64(),
            latency_ms: Latency {
                p50: quantile(0.5),
                p99: quantile(0.99),
                p999: quantile(0.999),
                max: quantile(1.0),
            },
            processor_us: Cost {
                services: each(used.services),
                redis: each(used.redis),
            },
        }
    }
}

/// The runs as a table, and the hot item's ratio to uniform where both were run.
pub(crate) fn table(runs: &[Run]) -> String {
    let mut lines = vec![format!(
        "{:<10}{:>8}{:>12}{:>13}{:>9}{:>9}{:>9}{:>9}{:>17}{:>14}",
        "scenario",
        "clients",
        "checkouts",
        "checkouts/s",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "max ms",
        "services us each",
        "redis us each"
    )];
    for run in runs {
        let (latency, cost) = (&run.latency_ms, &run.processor_us);
        lines.push(format!(
            "{:<10}{:>8}{:>12}{:>13.0}{:>9.2}{:>9.2}{:>9.2}{:>9.2}{:>17.1}{:>14.1}",
            format!("{:?}", run.scenario).to_lowercase(),
            run.clients,
            run.checkouts,
            run.checkouts_per_second,
            latency.p50,
            latency.p99,
            latency.p999,
            latency.max,
            cost.services,
            cost.redis
        ));
    }
    if let (Some(hot), Some(uniform)) = (mean_rate(runs, Scenario::Hot), mean_rate(runs, Scenario::Uniform)) {
        lines.push(format!("hot / uniform: {:.2}", hot / uniform));
    }
    lines.join("\n")
}

/// The scenario's checkouts per second, over all its runs.
fn mean_rate(runs: &[Run], scenario: Scenario) -> Option<f64> {
    let rates: Vec<f64> = runs
        .iter()
        .filter(|run| run.scenario == scenario)
        .map(|run| run.checkouts_per_second)
        .collect();
    let count = u32::try_from(rates.len()).ok().filter(|count| *count > 0)?;
    Some(rates.iter().sum::<f64>() / f64::from(count))
}
