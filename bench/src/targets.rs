//! What the project wants to reach on a machine with 2 cores, and how each figure comes from the runs.

use serde::Serialize;

use crate::{
    figures::{
        ALWAYS, HOT, HOT_REPLICAS, HOT_SEPARATE, OPEN, OVERLOAD, SALE, SEPARATE, UNIFORM, all_answered, figures,
        idle_memory, overload_ratio, p99, processor_time, rate, ratios, slowest_refusal, stored_after_grace,
    },
    run::Run,
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
    /// What would be more than that, if it was said.
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
pub(crate) struct GoalResult {
    #[serde(flatten)]
    pub(crate) goal: Goal,
    /// None if the runs do not include what it takes.
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
const GOALS: [Goal; 13] = [
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
        figures: |runs| figures(runs, UNIFORM, processor_time),
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

/// Every goal with what the runs say about it.
pub(crate) fn reached(runs: &[Run]) -> Vec<GoalResult> {
    let reached = |goal: &Goal| {
        let measured = Spread::of((goal.figures)(runs));
        GoalResult {
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

#[cfg(test)]
mod tests {
    use super::{Better, GOALS, Goal, Verdict};

    #[test]
    fn what_lies_beyond_a_goal_is_better_than_its_target() {
        for Goal {
            what,
            better,
            target,
            beyond,
            ..
        } in GOALS
        {
            let gain = |beyond: f64| match better {
                Better::More => beyond - target,
                Better::Less => target - beyond,
            };
            assert!(beyond.is_none_or(|beyond| gain(beyond) > 0.0), "{what}");
        }
    }

    #[test]
    fn a_figure_is_judged_in_its_own_direction() {
        let verdicts = |better, figures: [f64; 3]| {
            let goal = Goal {
                better,
                target: 2.0,
                beyond: Some(if better == Better::More { 3.0 } else { 1.0 }),
                ..GOALS[0]
            };
            figures.map(|figure| goal.judge(figure))
        };
        let expected = [Verdict::Missed, Verdict::Met, Verdict::Beyond];
        assert_eq!(verdicts(Better::More, [1.9, 2.0, 3.0]), expected);
        assert_eq!(verdicts(Better::Less, [2.1, 2.0, 1.0]), expected);
    }
}
