//! The sections, each with what a reader has to know to read it.

use maud::{Markup, PreEscaped, html};

use super::{
    plots::{Bar, Line, bars, css_colour, quantiles},
    section,
};
use crate::{
    process::Kind,
    run::{Experiment, Run},
    scenario::Scenario,
    summary::{Spread, by_experiment, median_run, spread},
    table::{COLUMNS, details as in_words, figure},
    targets::{GoalResult, Verdict},
};

const KINDS: [Kind; 6] = [
    Kind::Standalone,
    Kind::Order,
    Kind::Stock,
    Kind::Payment,
    Kind::Redis,
    Kind::Bus,
];
/// How many figures stand above everything else.
const TILES: usize = 4;

/// The first goals that were measured, in large figures.
pub(super) fn tiles(targets: &[GoalResult]) -> Markup {
    let measured = targets.iter().filter_map(|row| Some((row, row.measured?)));
    html! {
        div.tiles {
            @for (row, measured) in measured.take(TILES) {
                div.card.tile {
                    strong class=(class(row.verdict)) { (figure(measured.median)) " " (row.goal.unit) }
                    span { (row.goal.what) }
                }
            }
        }
    }
}

/// Every goal, what was measured for it, and whether it is met.
pub(super) fn targets(targets: &[GoalResult]) -> Markup {
    let table = html! {
        div.card.wide {
            table {
                thead {
                    tr {
                        th { "what" }
                        @for head in ["measured", "lowest to highest", "rounds", "target", "beyond"] {
                            th.number { (head) }
                        }
                        th { "met?" }
                        th { "floor or peer" }
                    }
                }
                tbody {
                    @for row in targets {
                        tr {
                            td.strong { (row.goal.what) }
                            @for cell in row.cells() { td.number { (cell) } }
                            td.verdict class=(class(row.verdict)) { (row.verdict.in_words()) }
                            td { (row.goal.floor) }
                        }
                    }
                }
            }
        }
    };
    let note = "Medians over the rounds. A ratio compares two runs of the same round, minutes apart.";
    section("Targets", note, &table)
}

fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Beyond => "beyond",
        Verdict::Met => "met",
        Verdict::Missed => "missed",
        Verdict::NotMeasured => "not-measured",
    }
}

/// Checkouts a second.
pub(super) fn rates(runs: &[Run]) -> anyhow::Result<Markup> {
    let note = |experiment: &Experiment| match experiment.scenario {
        Scenario::Refusals => "refused/s",
        Scenario::FlashSale => "answered/s",
        _ => "",
    };
    let plot = card(&bars(&medians(runs, |run| Some(run.checkouts_per_second), note))?);
    Ok(section(
        "Checkouts a second",
        "Bars are medians, lines go from the slowest round to the fastest. Refusals and the flash sale count answers; \
         an open loop shows the rate that it was asked for, if the system kept up; a mixed run has 19 other calls \
         around each checkout.",
        &plot,
    ))
}

/// Latencies by quantile, a plot for each scenario.
pub(super) fn latencies(runs: &[Run]) -> anyhow::Result<Markup> {
    let groups = by_experiment(runs);
    let mut scenarios: Vec<Scenario> = Vec::new();
    for (experiment, _) in &groups {
        if !scenarios.contains(&experiment.scenario) {
            scenarios.push(experiment.scenario);
        }
    }
    let mut plots = Vec::new();
    for scenario in scenarios {
        let of_scenario = groups.iter().filter(|(experiment, _)| experiment.scenario == scenario);
        let medians = of_scenario.filter_map(|(experiment, runs)| Some((experiment, median_run(runs)?)));
        let lines: Vec<Line> = medians
            .map(|(experiment, run)| Line {
                name: experiment.to_string(),
                points: run.quantiles_ms.clone(),
            })
            .collect();
        let names = lines.iter().map(|line| line.name.as_str()).enumerate();
        plots.push(html! {
            div.card {
                h3 { (scenario) }
                (legend(names))
                (PreEscaped(quantiles(&lines)?))
            }
        });
    }
    Ok(section(
        "How long a checkout takes",
        "From the median to the slowest answer, in the round in the middle. In an open loop the time counts from when \
         the checkout was to arrive; in a flash sale, from the common start.",
        &html! { div.plots { @for plot in plots { (plot) } } },
    ))
}

/// Where the processor time goes.
pub(super) fn processor_time(runs: &[Run]) -> anyhow::Result<Markup> {
    let rows: Vec<Bar> = by_experiment(runs)
        .into_iter()
        .filter_map(|(experiment, runs)| {
            let total = spread(&runs, |run| Some(run.costs.as_ref()?.processor_total()))?;
            let parts = KINDS.iter().enumerate().filter_map(|(number, kind)| {
                let of_kind = |run: &Run| run.costs.as_ref()?.processor_us.get(kind).copied();
                Some((number, spread(&runs, of_kind)?.median))
            });
            Some(Bar {
                name: experiment.to_string(),
                parts: parts.collect(),
                range: None,
                note: format!("µs ({} to {})", figure(total.lowest), figure(total.highest)),
            })
        })
        .collect();
    let plot = html! {
        (legend(KINDS.iter().map(|kind| kind.name()).enumerate()))
        (card(&bars(&rows)?))
    };
    Ok(section(
        "Processor time for each checkout",
        "From the operating system's accounting, without the load generator's own. A mixed run's other calls are \
         counted with the checkout that they surround.",
        &plot,
    ))
}

/// How many commands share a transaction.
pub(super) fn batches(runs: &[Run]) -> anyhow::Result<Markup> {
    let mean = |run: &Run| Some(run.costs.as_ref()?.lanes.mean_batch);
    let plot = card(&bars(&medians(runs, mean, |_| "commands"))?);
    Ok(section(
        "Batch sizes",
        "How many commands share one transaction, on average over all lanes. The larger they are, the less each \
         checkout pays for the round trip to Redis and, with fsync always, for the disk.",
        &plot,
    ))
}

/// What only some scenarios measure.
pub(super) fn details(runs: &[Run]) -> Markup {
    let sentences: Vec<String> = runs.iter().filter_map(in_words).collect();
    if sentences.is_empty() {
        return html! {};
    }
    let list = html! { div.card { ul { @for sentence in sentences { li { (sentence) } } } } };
    section("What only some scenarios measure", "Each round on its own.", &list)
}

/// Every experiment's figures, for whoever wants the number.
pub(super) fn figures(runs: &[Run]) -> Markup {
    let table = html! {
        div.card.wide {
            table {
                thead {
                    tr {
                        th { "experiment" }
                        @for (name, _) in COLUMNS { th.number { (name) } }
                    }
                }
                tbody {
                    @for (experiment, runs) in by_experiment(runs) {
                        tr {
                            td.strong { (experiment) }
                            @for (_, value) in COLUMNS { (cell(spread(&runs, value))) }
                        }
                    }
                }
            }
        }
    };
    section(
        "All figures",
        "Medians; a figure's lowest and highest appear when the pointer rests on it. Times, commands and bytes are for \
         each checkout. Kept is by how much all data in Redis grew: straight after the run, with the holds that prove \
         what was sold, and when their grace time is over. Memory is that of the largest service.",
        &table,
    )
}

fn cell(value: Option<Spread>) -> Markup {
    html! {
        @if let Some(Spread { median, lowest, highest, .. }) = value {
            td.number title={ (figure(lowest)) " to " (figure(highest)) } { (figure(median)) }
        } @else {
            td {}
        }
    }
}

/// A bar for each experiment's median.
fn medians(runs: &[Run], value: fn(&Run) -> Option<f64>, note: fn(&Experiment) -> &'static str) -> Vec<Bar> {
    let bar = |(experiment, runs): (&Experiment, Vec<&Run>)| {
        let Spread {
            median,
            lowest,
            highest,
            count,
        } = spread(&runs, value)?;
        Some(Bar {
            name: experiment.to_string(),
            parts: vec![(colour(&experiment.system), median)],
            range: (count > 1).then_some((lowest, highest)),
            note: note(experiment).into(),
        })
    };
    by_experiment(runs).into_iter().filter_map(bar).collect()
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

fn card(svg: &str) -> Markup {
    html! { div.card { (PreEscaped(svg)) } }
}

fn legend<'a>(names: impl Iterator<Item = (usize, &'a str)>) -> Markup {
    html! {
        div.legend {
            @for (number, name) in names {
                span { i style={ "background: " (css_colour(number)) } {} (name) }
            }
        }
    }
}
