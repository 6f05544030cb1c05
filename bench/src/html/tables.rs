//! Every experiment's figures, for whoever wants the number.

use super::markup::{escaped, section};
use crate::{
    gauges::Costs,
    run::Run,
    summary::{Spread, by_experiment, spread},
    table::figure,
};

type Column = (&'static str, fn(&Run) -> Option<f64>);

const COLUMNS: [Column; 15] = [
    ("checkouts/s", |run| Some(run.checkouts_per_second)),
    ("p50 ms", |run| Some(run.latency_ms.p50)),
    ("p99 ms", |run| Some(run.latency_ms.p99)),
    ("p99.9 ms", |run| Some(run.latency_ms.p999)),
    ("max ms", |run| Some(run.latency_ms.max)),
    ("services µs", |run| cost(run, Costs::processor_services)),
    ("Redis µs", |run| {
        cost(run, |costs| costs.processor_total() - costs.processor_services())
    }),
    ("Redis commands", |run| cost(run, |costs| costs.redis_commands)),
    ("Redis bytes", |run| cost(run, |costs| costs.redis_bytes)),
    ("kept bytes", |run| cost(run, Costs::stored_total)),
    ("kept after grace", |run| {
        Some(run.stored_bytes_after_grace.as_ref()?.values().sum())
    }),
    ("conflicts", |run| cost(run, |costs| costs.lanes.conflicts)),
    ("mean batch", |run| cost(run, |costs| costs.lanes.mean_batch)),
    ("idle MB", |run| cost(run, Costs::idle_memory)),
    ("peak MB", |run| cost(run, Costs::memory_peak)),
];

/// All experiments.
pub(super) fn figures(runs: &[Run]) -> String {
    let heads = COLUMNS
        .map(|(name, _)| format!("<th class=\"number\">{name}</th>"))
        .concat();
    let rows = by_experiment(runs).into_iter().map(|(experiment, runs)| {
        let cells = COLUMNS.iter().map(|(_, value)| cell(spread(&runs, value)));
        format!(
            "<tr><td class=\"strong\">{}</td>{}</tr>",
            escaped(&experiment.to_string()),
            cells.collect::<String>()
        )
    });
    let table = format!(
        "<div class=\"card wide\"><table><thead><tr><th>experiment</th>{heads}</tr></thead><tbody>{}</tbody></table></div>",
        rows.collect::<String>()
    );
    section(
        "All figures",
        "Medians; a figure's least and most appear when the pointer rests on it. Times, commands and bytes are for each \
         checkout. Kept is by how much all data in Redis grew: straight after the run, with the holds that prove what \
         was sold, and when their grace time is over. Memory is that of the largest service.",
        &table,
    )
}

fn cell(value: Option<Spread>) -> String {
    value.map_or_else(
        || "<td></td>".into(),
        |Spread {
             median, least, most, ..
         }| {
            format!(
                "<td class=\"number\" title=\"{} to {}\">{}</td>",
                figure(least),
                figure(most),
                figure(median)
            )
        },
    )
}

fn cost(run: &Run, value: impl Fn(&Costs) -> f64) -> Option<f64> {
    run.costs.as_ref().map(value)
}
