//! The plots, each with what a reader has to know to read it.

use super::{
    bars::{Bar, Part, bars},
    markup::{escaped, legend, section},
    quantiles::{Line, quantiles},
};
use crate::{
    gauges::Costs,
    process::Kind,
    run::{Experiment, Run},
    scenario::Scenario,
    summary::{Spread, by_experiment, median_run, spread},
    table,
};

/// How many colours the style has.
const COLOURS: usize = 7;
const KINDS: [Kind; 5] = [Kind::Standalone, Kind::Order, Kind::Stock, Kind::Payment, Kind::Redis];

/// Checkouts a second.
pub(super) fn rates(runs: &[Run]) -> String {
    let rate = |run: &Run| Some(run.checkouts_per_second);
    let note = |experiment: &Experiment| match experiment.scenario {
        Scenario::Refusals => "refused/s",
        Scenario::FlashSale => "answered/s",
        _ => "",
    };
    let rows = plain(runs, rate, note);
    section(
        "Checkouts a second",
        "Bars are medians, lines go from the slowest round to the fastest. Refusals and the flash sale count answers; \
         an open loop shows the rate that it was asked for, if the system kept up; a mixed run has 19 other calls \
         around each checkout.",
        &bars(&rows, "checkouts/s"),
    )
}

/// Latencies by quantile, a plot for each scenario.
pub(super) fn latencies(runs: &[Run]) -> String {
    let groups = by_experiment(runs);
    let mut scenarios: Vec<Scenario> = Vec::new();
    for (experiment, _) in &groups {
        if !scenarios.contains(&experiment.scenario) {
            scenarios.push(experiment.scenario);
        }
    }
    let plots = scenarios.into_iter().map(|scenario| {
        let of_scenario = groups.iter().filter(|(experiment, _)| experiment.scenario == scenario);
        let medians = of_scenario.filter_map(|(experiment, runs)| Some((experiment, median_run(runs)?)));
        let lines: Vec<Line> = medians
            .zip((0..COLOURS).cycle())
            .map(|((experiment, run), colour)| Line {
                name: experiment.to_string(),
                colour,
                points: run.quantiles_ms.clone(),
            })
            .collect();
        let legend = legend(lines.iter().map(|line| (line.colour, line.name.clone())));
        format!(
            "<div class=\"card\"><h3>{scenario}</h3>{legend}{}</div>",
            quantiles(&lines)
        )
    });
    section(
        "How long a checkout takes",
        "From the median to the slowest answer, in the round in the middle. In an open loop the time counts from when \
         the checkout was to arrive; in a flash sale, from the common start.",
        &format!("<div class=\"plots\">{}</div>", plots.collect::<String>()),
    )
}

/// Processor time for each checkout, by kind of process.
pub(super) fn processor_time(runs: &[Run]) -> String {
    let rows: Vec<Bar> = by_experiment(runs)
        .into_iter()
        .filter_map(|(experiment, runs)| {
            let total = spread(&runs, |run| Some(run.costs.as_ref()?.processor_total()))?;
            let parts = (0..).zip(KINDS).filter_map(|(colour, kind)| {
                let of_kind = |costs: &Costs| costs.processor_us.get(&kind).copied();
                let value = spread(&runs, |run| of_kind(run.costs.as_ref()?))?.median;
                Some(Part {
                    name: kind.name(),
                    colour,
                    value,
                })
            });
            Some(Bar {
                name: experiment.to_string(),
                parts: parts.collect(),
                range: None,
                note: format!("µs ({} to {})", table::figure(total.least), table::figure(total.most)),
            })
        })
        .collect();
    let legend = legend((0..).zip(KINDS).map(|(colour, kind)| (colour, kind.name().to_owned())));
    section(
        "Processor time for each checkout",
        "From the operating system's accounting, without the load generator's own. A mixed run's other calls are \
         counted with the checkout that they surround.",
        &(legend + &bars(&rows, "µs")),
    )
}

/// How many commands share a transaction.
pub(super) fn batches(runs: &[Run]) -> String {
    let mean = |run: &Run| Some(run.costs.as_ref()?.lanes.mean_batch);
    section(
        "Batch sizes",
        "How many commands share one transaction, on average over all lanes. The larger they are, the less each \
         checkout pays for the round trip to Redis and, with fsync always, for the disk.",
        &bars(&plain(runs, mean, |_| "commands"), "commands"),
    )
}

/// What only some scenarios measure.
pub(super) fn special(runs: &[Run]) -> String {
    let sentences: Vec<String> = runs
        .iter()
        .filter_map(|run| Some(format!("<li>{}</li>", escaped(&table::details(run)?))))
        .collect();
    if sentences.is_empty() {
        return String::new();
    }
    section(
        "What only some scenarios measure",
        "Each round on its own.",
        &format!("<div class=\"card\"><ul>{}</ul></div>", sentences.concat()),
    )
}

/// A bar for each experiment's median.
fn plain(runs: &[Run], value: fn(&Run) -> Option<f64>, note: fn(&Experiment) -> &'static str) -> Vec<Bar> {
    let row = |(experiment, runs): (&Experiment, Vec<&Run>)| {
        let Spread {
            median,
            least,
            most,
            count,
        } = spread(&runs, value)?;
        Some(Bar {
            name: experiment.to_string(),
            parts: vec![Part {
                name: "median",
                colour: colour(&experiment.system),
                value: median,
            }],
            range: (count > 1).then_some((least, most)),
            note: note(experiment).into(),
        })
    };
    by_experiment(runs).into_iter().filter_map(row).collect()
}

/// One colour a composition.
fn colour(system: &str) -> usize {
    match system {
        "standalone" => 0,
        "separate" => 1,
        "replicas" => 2,
        _ => 3,
    }
}
