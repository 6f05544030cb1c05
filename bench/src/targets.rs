//! What the project wants to reach on a machine with 2 cores, and how each figure comes from the runs.

use serde::Serialize;

use crate::{
    run::{Details, Experiment, Run},
    scenario::Scenario,
    summary::Spread,
};

/// One row of the table of targets.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Goal {
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    /// What others reach, or what is known to be possible.
    pub(crate) floor: &'static str,
    /// Which way is good.
    pub(crate) better: Better,
    /// What is to be reached.
    pub(crate) target: f64,
    /// What would be more than that, where it was said.
    pub(crate) beyond: Option<f64>,
    #[serde(skip)]
    figures: fn(&[Run]) -> Vec<f64>,
}

/// Whether a figure should be large or small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Better {
    More,
    Less,
}

/// A goal and what was measured for it.
#[derive(Debug, Serialize)]
pub(crate) struct Reached {
    #[serde(flatten)]
    pub(crate) goal: Goal,
    /// None where the runs do not include what it takes.
    pub(crate) measured: Option<Spread>,
    pub(crate) verdict: Verdict,
}

/// How a figure compares with its goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    Beyond,
    Met,
    Missed,
    NotMeasured,
}

/// The table.
const GOALS: [Goal; 14] = [
    Goal {
        what: "uniform, standalone, everysec",
        unit: "checkouts/s",
        floor: "113 (reference)",
        better: Better::More,
        target: 8_000.0,
        beyond: Some(15_000.0),
        figures: |runs| figures(runs, UNIFORM, rate),
    },
    Goal {
        what: "processor time per checkout, services and Redis",
        unit: "µs",
        floor: "13,900 (reference)",
        better: Better::Less,
        target: 150.0,
        beyond: Some(90.0),
        figures: |runs| figures(runs, UNIFORM, |run| Some(run.costs.as_ref()?.processor_total())),
    },
    Goal {
        what: "the same, until every hold is settled",
        unit: "µs",
        floor: "",
        better: Better::Less,
        target: 150.0,
        beyond: Some(90.0),
        figures: |runs| figures(runs, UNIFORM, |run| Some(run.settled.as_ref()?.processor_us)),
    },
    Goal {
        what: "fsync always, ratio to everysec",
        unit: "×",
        floor: "",
        better: Better::More,
        target: 0.6,
        beyond: Some(0.8),
        figures: |runs| ratios(runs, ALWAYS, UNIFORM),
    },
    Goal {
        what: "hot item, ratio to uniform",
        unit: "×",
        floor: "0.05 (textbook loop)",
        better: Better::More,
        target: 0.8,
        beyond: Some(1.0),
        figures: |runs| ratios(runs, HOT, UNIFORM),
    },
    Goal {
        what: "p99 in the closed loop",
        unit: "ms",
        floor: "661 (reference)",
        better: Better::Less,
        target: 25.0,
        beyond: Some(12.0),
        figures: |runs| figures(runs, UNIFORM, p99),
    },
    Goal {
        what: "p99 in the open loop at half of the peak",
        unit: "ms",
        floor: "",
        better: Better::Less,
        target: 10.0,
        beyond: Some(5.0),
        figures: |runs| figures(runs, OPEN, p99),
    },
    Goal {
        what: "flash sale: all 10,000 buyers answered, exactly 100 sold",
        unit: "s",
        floor: "",
        better: Better::Less,
        target: 3.0,
        beyond: Some(1.5),
        figures: |runs| figures(runs, SALE, all_answered),
    },
    Goal {
        what: "hot item, three replicas on one Redis, ratio to one",
        unit: "×",
        floor: "collapse",
        better: Better::More,
        target: 0.5,
        beyond: Some(0.8),
        figures: |runs| ratios(runs, HOT_REPLICAS, HOT_SEPARATE),
    },
    Goal {
        what: "three processes, ratio to standalone",
        unit: "×",
        floor: "",
        better: Better::More,
        target: 0.7,
        beyond: Some(0.85),
        figures: |runs| ratios(runs, SEPARATE, UNIFORM),
    },
    Goal {
        what: "idle memory of the largest of the three services",
        unit: "MB",
        floor: "104 to 116 (reference, 3 processes)",
        better: Better::Less,
        target: 20.0,
        beyond: Some(10.0),
        figures: |runs| figures(runs, SEPARATE, idle_memory),
    },
    Goal {
        what: "bytes in Redis per checkout, after the grace time",
        unit: "bytes",
        floor: "",
        better: Better::Less,
        target: 400.0,
        beyond: Some(250.0),
        figures: |runs| figures(runs, UNIFORM, stored_after_grace),
    },
    Goal {
        what: "overload, ten times the admission limit: accepted, ratio to the peak",
        unit: "×",
        floor: "",
        better: Better::More,
        target: 0.8,
        beyond: None,
        figures: |runs| figures(runs, OVERLOAD, overload_ratio),
    },
    Goal {
        what: "overload: slowest refusal",
        unit: "s",
        floor: "",
        better: Better::Less,
        target: 1.0,
        beyond: None,
        figures: |runs| figures(runs, OVERLOAD, slowest_refusal),
    },
];

/// Which experiment a figure comes from: scenario, system, fsync, and whether it is an open loop.
type Source = (Scenario, &'static str, &'static str, bool);

const UNIFORM: Source = (Scenario::Uniform, "standalone", "everysec", false);
const ALWAYS: Source = (Scenario::Uniform, "standalone", "always", false);
const OPEN: Source = (Scenario::Uniform, "standalone", "everysec", true);
const HOT: Source = (Scenario::Hot, "standalone", "everysec", false);
const SALE: Source = (Scenario::FlashSale, "standalone", "everysec", false);
const OVERLOAD: Source = (Scenario::Overload, "standalone", "everysec", false);
const SEPARATE: Source = (Scenario::Uniform, "separate", "everysec", false);
const HOT_SEPARATE: Source = (Scenario::Hot, "separate", "everysec", false);
const HOT_REPLICAS: Source = (Scenario::Hot, "replicas", "everysec", false);

/// Every goal with what the runs say about it.
pub(crate) fn reached(runs: &[Run]) -> Vec<Reached> {
    let reached = |goal: &Goal| {
        let measured = Spread::of((goal.figures)(runs));
        Reached {
            goal: *goal,
            measured,
            verdict: measured.map_or(Verdict::NotMeasured, |measured| goal.judge(measured.median)),
        }
    };
    GOALS.iter().map(reached).collect()
}

impl Goal {
    fn judge(&self, figure: f64) -> Verdict {
        let reaches = |bound: f64| match self.better {
            Better::More => figure >= bound,
            Better::Less => figure <= bound,
        };
        if self.beyond.is_some_and(reaches) {
            Verdict::Beyond
        } else if reaches(self.target) {
            Verdict::Met
        } else {
            Verdict::Missed
        }
    }
}

impl Experiment {
    fn is(&self, (scenario, system, fsync, open_loop): Source) -> bool {
        self.scenario == scenario
            && self.system == system
            && self.fsync.as_deref() == Some(fsync)
            && self.open_loop == open_loop
    }
}

fn figures(runs: &[Run], source: Source, figure: impl Fn(&Run) -> Option<f64>) -> Vec<f64> {
    runs.iter()
        .filter(|run| run.experiment.is(source))
        .filter_map(figure)
        .collect()
}

/// The ratio of two rates in each round that has both: minutes apart, the machine itself may be faster or slower.
fn ratios(runs: &[Run], part: Source, whole: Source) -> Vec<f64> {
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
fn rate(run: &Run) -> Option<f64> {
    Some(run.checkouts_per_second)
}

#[expect(clippy::unnecessary_wraps, reason = "likewise")]
fn p99(run: &Run) -> Option<f64> {
    Some(run.latency_ms.p99)
}

fn idle_memory(run: &Run) -> Option<f64> {
    Some(run.costs.as_ref()?.idle_memory())
}

fn stored_after_grace(run: &Run) -> Option<f64> {
    Some(run.settled.as_ref()?.stored_bytes_after_grace.values().sum())
}

fn all_answered(run: &Run) -> Option<f64> {
    match run.details {
        Details::FlashSale { all_answered_s, .. } => Some(all_answered_s),
        _ => None,
    }
}

fn overload_ratio(run: &Run) -> Option<f64> {
    match run.details {
        Details::Overload { ratio_to_peak, .. } => Some(ratio_to_peak),
        _ => None,
    }
}

fn slowest_refusal(run: &Run) -> Option<f64> {
    match run.details {
        Details::Overload { slowest_refusal_ms, .. } => Some(slowest_refusal_ms / 1e3),
        _ => None,
    }
}
