//! The figures as tables: for a terminal, and in Markdown for BENCHMARKS.md.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::{
    gauges::Costs,
    run::{Details, Run},
    summary::{Spread, by_experiment, spread},
    targets::{GoalResult, Verdict},
};

/// A figure of a run, with its name.
pub(crate) type Column = (&'static str, fn(&Run) -> Option<f64>);

/// All figures. The first [`SPEEDS`] say how fast a run was, the others what it cost.
pub(crate) const COLUMNS: [Column; 15] = [
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
    ("mean batch", |run| cost(run, |costs| costs.lanes.mean_batch)),
    ("conflicts", |run| cost(run, |costs| costs.lanes.conflicts)),
    ("kept bytes", |run| cost(run, Costs::stored_total)),
    ("kept after grace", |run| {
        Some(run.stored_bytes_after_grace.as_ref()?.values().sum())
    }),
    ("idle MB", |run| cost(run, Costs::idle_memory)),
    ("peak MB", |run| cost(run, Costs::memory_peak)),
];

const SPEEDS: usize = 5;
/// How many columns about costs fit beside an experiment's name.
const COSTS_SHOWN: usize = 6;
const WIDTH: u16 = 80;

fn cost(run: &Run, value: impl Fn(&Costs) -> f64) -> Option<f64> {
    run.costs.as_ref().map(value)
}

/// For a terminal: the medians, what only some scenarios measured, each experiment's rate as a ratio to the first one's,
/// and the goals.
pub(crate) fn for_terminal(runs: &[Run], reached: &[GoalResult]) -> String {
    let narrow = |table: &mut Table| {
        table
            .load_preset(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(WIDTH);
    };
    let mut tables = [
        of_runs(runs, &COLUMNS[..SPEEDS]),
        of_runs(runs, &COLUMNS[SPEEDS..][..COSTS_SHOWN]),
        of_goals(reached),
    ];
    tables.iter_mut().for_each(narrow);
    let [speeds, costs, goals] = tables.map(|table| table.to_string());
    let sentences: Vec<String> = runs.iter().filter_map(details).chain(ratios(runs)).collect();
    [speeds, costs, sentences.join("\n"), goals].join("\n\n")
}

/// The same tables as BENCHMARKS.md has them, with all figures.
pub(crate) fn as_markdown(runs: &[Run], reached: &[GoalResult]) -> String {
    let mut tables = [of_goals(reached), of_runs(runs, &COLUMNS)];
    for table in &mut tables {
        table.load_preset(presets::ASCII_MARKDOWN);
    }
    let [goals, runs] = tables.map(|table| table.to_string());
    format!("{goals}\n\n{runs}\n")
}

fn of_runs(runs: &[Run], columns: &[Column]) -> Table {
    let mut table = Table::new();
    let names = columns.iter().map(|(name, _)| *name);
    table.set_header(["experiment"].into_iter().chain(names));
    for (experiment, runs) in by_experiment(runs) {
        let medians = columns.iter().map(|(_, value)| spread(&runs, value));
        let cells = medians.map(|spread| spread.map_or_else(|| "-".into(), |spread| figure(spread.median)));
        table.add_row([experiment.to_string()].into_iter().chain(cells));
    }
    numbers_to_the_right(table)
}

fn of_goals(reached: &[GoalResult]) -> Table {
    let mut table = Table::new();
    table.set_header([
        "target",
        "median",
        "lowest to highest",
        "rounds",
        "target",
        "beyond",
        "",
    ]);
    for row in reached.iter().filter(|row| row.measured.is_some()) {
        let cells = [format!("{}, {}", row.goal.what, row.goal.unit)]
            .into_iter()
            .chain(row.cells());
        table.add_row(cells.chain([row.verdict.in_words().to_owned()]));
    }
    numbers_to_the_right(table)
}

fn numbers_to_the_right(mut table: Table) -> Table {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

impl GoalResult {
    /// The median, the spread, the rounds, the target, and what would be beyond it.
    pub(crate) fn cells(&self) -> [String; 5] {
        let (median, range, rounds) = match self.measured {
            Some(Spread {
                median,
                lowest,
                highest,
                count,
            }) => (
                figure(median),
                format!("{} to {}", figure(lowest), figure(highest)),
                count.to_string(),
            ),
            None => Default::default(),
        };
        let beyond = self.goal.beyond.map(figure).unwrap_or_default();
        [median, range, rounds, figure(self.goal.target), beyond]
    }
}

/// A figure with as many digits as mean something.
pub(crate) fn figure(value: f64) -> String {
    match value.abs() {
        size if size >= 1_000.0 => thousands(value),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// What only some scenarios measure, in a sentence.
pub(crate) fn details(run: &Run) -> Option<String> {
    let experiment = &run.experiment;
    match &run.details {
        Details::None => None,
        Details::FlashSale {
            sold_out,
            all_answered_s,
        } => Some(format!(
            "{experiment}: {} sold and {sold_out} told that nothing is left, all within {all_answered_s:.2} s",
            run.paid
        )),
        Details::Events { given, to_handler_ms } => Some(format!(
            "{experiment}: {given} events, from decision to handler p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
            to_handler_ms.p50, to_handler_ms.p99, to_handler_ms.max
        )),
        Details::Mixed {
            calls,
            calls_per_second,
            calls_ms,
        } => Some(format!(
            "{experiment}: {calls} calls of all sorts, {calls_per_second:.0}/s, p50 {:.2} ms, p99 {:.2} ms",
            calls_ms.p50, calls_ms.p99
        )),
        Details::Overload {
            peak_per_second,
            ratio_to_peak,
            refused,
            slowest_refusal_ms,
        } => Some(format!(
            "{experiment}: accepted {ratio_to_peak:.2} of the peak of {peak_per_second:.0}/s; {refused} refused, \
             the slowest in {slowest_refusal_ms:.0} ms; memory peak {:.0} MB",
            run.costs.as_ref().map_or(0.0, Costs::memory_peak)
        )),
    }
}

/// How every other experiment compares with the first, by the median of its rounds.
fn ratios(runs: &[Run]) -> Vec<String> {
    let rates = by_experiment(runs).into_iter().filter_map(|(experiment, runs)| {
        let rate = spread(&runs, |run| Some(run.checkouts_per_second))?;
        Some((experiment, rate.median))
    });
    let rates: Vec<_> = rates.collect();
    let Some(((first, whole), others)) = rates.split_first() else {
        return Vec::new();
    };
    let ratio = |(other, part): &(_, f64)| format!("{other} / {first}: {:.2}", part / whole);
    others.iter().map(ratio).collect()
}

fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut grouped = String::from(if value < 0.0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

impl Verdict {
    /// For people.
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Self::Beyond => "beyond",
            Self::Met => "met",
            Self::Missed => "missed",
            Self::NotMeasured => "not measured",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::figure;

    #[test]
    fn a_figure_has_as_many_digits_as_mean_something() {
        assert_eq!(figure(12_345.6), "12,346");
        assert_eq!(figure(123.45), "123");
        assert_eq!(figure(1.234), "1.23");
    }
}
