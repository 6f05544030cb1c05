//! The figures as text, for a terminal.

use crate::{
    gauges::Costs,
    run::{Details, Run},
    summary::{Spread, by_experiment, spread},
    targets::{Reached, Verdict},
};

/// The runs, what only some of them measured, and each experiment's rate as a ratio to the first one's.
pub(crate) fn of_runs(runs: &[Run]) -> String {
    let mut lines = vec![format!(
        "{:<42}{:>8}{:>11}{:>13}{:>9}{:>9}{:>10}{:>10}{:>13}{:>10}{:>10}{:>9}",
        "experiment",
        "clients",
        "checkouts",
        "checkouts/s",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "max ms",
        "services us",
        "redis us",
        "conflicts",
        "batch"
    )];
    for run in runs {
        let latency = &run.latency_ms;
        let costs = run.costs.as_ref();
        let cost = |value: Option<f64>| value.map_or_else(|| "-".into(), |value| format!("{value:.1}"));
        lines.push(format!(
            "{:<42}{:>8}{:>11}{:>13.0}{:>9.2}{:>9.2}{:>10.2}{:>10.2}{:>13}{:>10}{:>10}{:>9}",
            run.experiment.to_string(),
            run.clients,
            run.checkouts,
            run.checkouts_per_second,
            latency.p50,
            latency.p99,
            latency.p999,
            latency.max,
            cost(costs.map(Costs::processor_services)),
            cost(costs.map(|costs| costs.processor_total() - costs.processor_services())),
            costs.map_or_else(|| "-".into(), |costs| format!("{:.0}", costs.lanes.conflicts)),
            cost(costs.map(|costs| costs.lanes.mean_batch)),
        ));
    }
    lines.extend(runs.iter().filter_map(details));
    lines.extend(ratios(runs));
    lines.join("\n")
}

/// The goals, and what was measured for them.
pub(crate) fn of_goals(reached: &[Reached]) -> String {
    let mut lines = vec![format!(
        "{:<72}{:>12}{:>22}{:>10}{:>10}  ",
        "target", "median", "min to max", "target", "beyond"
    )];
    for row in reached.iter().filter(|row| row.verdict != Verdict::NotMeasured) {
        let Some(Spread {
            median, least, most, ..
        }) = row.measured
        else {
            continue;
        };
        lines.push(format!(
            "{:<72}{:>12}{:>22}{:>10}{:>10}  {}",
            format!("{}, {}", row.goal.what, row.goal.unit),
            figure(median),
            format!("{} to {}", figure(least), figure(most)),
            figure(row.goal.target),
            row.goal.beyond.map(figure).unwrap_or_default(),
            row.verdict.in_words()
        ));
    }
    lines.join("\n")
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
