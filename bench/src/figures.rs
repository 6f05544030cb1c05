//! How the figures that the targets speak of come from the runs.

use crate::{
    run::{Details, Experiment, Run},
    scenario::Scenario,
};

/// Which experiment a figure comes from: scenario, system, fsync, and whether it is an open loop.
pub(crate) type Source = (Scenario, &'static str, &'static str, bool);

/// 64 clients, unless told otherwise, and random items: what the others are compared with.
pub(crate) const UNIFORM: Source = (Scenario::Uniform, "standalone", "everysec", false);
pub(crate) const ALWAYS: Source = (Scenario::Uniform, "standalone", "always", false);
pub(crate) const OPEN: Source = (Scenario::Uniform, "standalone", "everysec", true);
pub(crate) const HOT: Source = (Scenario::Hot, "standalone", "everysec", false);
pub(crate) const SALE: Source = (Scenario::FlashSale, "standalone", "everysec", false);
pub(crate) const OVERLOAD: Source = (Scenario::Overload, "standalone", "everysec", false);
pub(crate) const SEPARATE: Source = (Scenario::Uniform, "separate", "everysec", false);
pub(crate) const HOT_SEPARATE: Source = (Scenario::Hot, "separate", "everysec", false);
pub(crate) const HOT_REPLICAS: Source = (Scenario::Hot, "replicas", "everysec", false);

impl Experiment {
    fn is(&self, (scenario, system, fsync, open_loop): Source) -> bool {
        self.scenario == scenario
            && self.system == system
            && self.fsync.as_deref() == Some(fsync)
            && self.open_loop == open_loop
    }
}

/// A figure of every run from `source` that has it.
pub(crate) fn figures(runs: &[Run], source: Source, figure: impl Fn(&Run) -> Option<f64>) -> Vec<f64> {
    runs.iter()
        .filter(|run| run.experiment.is(source))
        .filter_map(figure)
        .collect()
}

/// The ratio of two rates in each round that has both: minutes apart, the machine itself may be faster or slower.
pub(crate) fn ratios(runs: &[Run], part: Source, whole: Source) -> Vec<f64> {
    let in_round = |round| runs.iter().find(|run| run.round == round && run.experiment.is(whole));
    runs.iter()
        .filter(|run| run.experiment.is(part))
        .filter_map(|run| Some(run.checkouts_per_second / in_round(run.round)?.checkouts_per_second))
        .collect()
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "a figure that every run has, beside those that some have"
)]
/// Checkouts a second.
pub(crate) fn rate(run: &Run) -> Option<f64> {
    Some(run.checkouts_per_second)
}

/// Milliseconds.
#[expect(clippy::unnecessary_wraps, reason = "likewise")]
pub(crate) fn p99(run: &Run) -> Option<f64> {
    Some(run.latency_ms.p99)
}

/// Of services and Redis for each checkout, in microseconds.
pub(crate) fn processor_time(run: &Run) -> Option<f64> {
    Some(run.costs.as_ref()?.processor_total())
}

/// Of the largest service, in MB.
pub(crate) fn idle_memory(run: &Run) -> Option<f64> {
    Some(run.costs.as_ref()?.idle_memory())
}

/// In all Redis servers, in bytes for each checkout.
pub(crate) fn stored_after_grace(run: &Run) -> Option<f64> {
    Some(run.stored_bytes_after_grace.as_ref()?.values().sum())
}

/// Until the last buyer of a flash sale had an answer, in seconds.
pub(crate) fn all_answered(run: &Run) -> Option<f64> {
    match run.details {
        Details::FlashSale { all_answered_s, .. } => Some(all_answered_s),
        _ => None,
    }
}

/// What is accepted under overload, as a ratio to the peak.
pub(crate) fn overload_ratio(run: &Run) -> Option<f64> {
    match run.details {
        Details::Overload { ratio_to_peak, .. } => Some(ratio_to_peak),
        _ => None,
    }
}

/// In seconds.
pub(crate) fn slowest_refusal(run: &Run) -> Option<f64> {
    match run.details {
        Details::Overload { slowest_refusal_ms, .. } => Some(slowest_refusal_ms / 1e3),
        _ => None,
    }
}
