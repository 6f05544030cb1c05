//! What a run measured, as a table for people and as JSON for programs.

use std::time::Duration;

use serde::Serialize;

use crate::{load::Seen, scenario::Scenario, system::ProcessorTime};

/// One run of one scenario.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    /// What was bought.
    pub(crate) scenario: Scenario,
    /// Which system was measured.
    pub(crate) system: String,
    /// How many clients asked at once.
    pub(crate) clients: u32,
    /// How many checkouts a second were to arrive; none in a closed loop.
    pub(crate) rate: Option<u32>,
    /// How many checkouts were paid.
    pub(crate) checkouts: u64,
    /// How many a second.
    pub(crate) checkouts_per_second: f64,
    /// Latencies, in milliseconds.
    pub(crate) latency_ms: Latency,
    /// Processor time for each checkout, in microseconds, where it is known.
    pub(crate) processor_us: Option<Cost>,
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
    fn kind(&self) -> (Scenario, &str) {
        (self.scenario, &self.system)
    }

    /// Sums a run up.
    pub(crate) fn new(
        scenario: Scenario,
        system: String,
        clients: u32,
        rate: Option<u32>,
        seen: &Seen,
        used: Option<ProcessorTime>,
    ) -> Self {
        let checkouts = seen.latencies.len();
        #[expect(clippy::cast_precision_loss, reason = "a run has far fewer than 2^52 checkouts")]
        let count = checkouts as f64;
        #[expect(clippy::cast_precision_loss, reason = "no latency is longer than a minute")]
        let quantile = |quantile| seen.latencies.value_at_quantile(quantile) as f64 / 1e3;
        let each = |time: Duration| time.as_secs_f64() * 1e6 / count.max(1.0);
        Self {
            scenario,
            system,
            clients,
            rate,
            checkouts,
            checkouts_per_second: count / seen.elapsed.as_secs_f64(),
            latency_ms: Latency {
                p50: quantile(0.5),
                p99: quantile(0.99),
                p999: quantile(0.999),
                max: quantile(1.0),
            },
            processor_us: used.map(|used| Cost {
                services: each(used.services),
                redis: each(used.redis),
            }),
        }
    }
}

/// The runs as a table, and each scenario's and system's rate as a ratio to the first run's.
pub(crate) fn table(runs: &[Run]) -> String {
    let mut lines = vec![format!(
        "{:<10}{:<18}{:>8}{:>11}{:>13}{:>9}{:>9}{:>10}{:>9}{:>13}{:>10}",
        "scenario",
        "system",
        "clients",
        "checkouts",
        "checkouts/s",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "max ms",
        "services us",
        "redis us"
    )];
    for run in runs {
        let latency = &run.latency_ms;
        let cost = run.processor_us.as_ref();
        let micros = |part: fn(&Cost) -> f64| cost.map_or_else(|| "-".into(), |cost| format!("{:.1}", part(cost)));
        lines.push(format!(
            "{:<10}{:<18}{:>8}{:>11}{:>13.0}{:>9.2}{:>9.2}{:>10.2}{:>9.2}{:>13}{:>10}",
            run.scenario.to_string(),
            run.system,
            run.clients,
            run.checkouts,
            run.checkouts_per_second,
            latency.p50,
            latency.p99,
            latency.p999,
            latency.max,
            micros(|cost| cost.services),
            micros(|cost| cost.redis)
        ));
    }
    lines.extend(ratios(runs));
    lines.join("\n")
}

/// How every other scenario and system compares with the first, over all their runs.
fn ratios(runs: &[Run]) -> Vec<String> {
    let mut kinds: Vec<(Scenario, &str)> = Vec::new();
    for run in runs {
        if !kinds.contains(&run.kind()) {
            kinds.push(run.kind());
        }
    }
    let Some((&first, others)) = kinds.split_first() else {
        return Vec::new();
    };
    let name = |(scenario, system): (Scenario, &str)| format!("{scenario} at {system}");
    others
        .iter()
        .map(|&other| {
            let ratio = mean_rate(runs, other) / mean_rate(runs, first);
            format!("{} / {}: {ratio:.2}", name(other), name(first))
        })
        .collect()
}

/// Checkouts per second over all runs of a kind.
fn mean_rate(runs: &[Run], kind: (Scenario, &str)) -> f64 {
    let rates = runs.iter().filter(|run| run.kind() == kind);
    let (count, sum) = rates.fold((0.0, 0.0), |(count, sum), run| {
        (count + 1.0, sum + run.checkouts_per_second)
    });
    sum / count
}
