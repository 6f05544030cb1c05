//! What several rounds of one experiment say together.

use serde::Serialize;

use crate::run::{Experiment, Run};

/// The middle of several figures, and how far they spread.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) lowest: f64,
    pub(crate) highest: f64,
    /// How many figures there are.
    pub(crate) count: usize,
}

impl Spread {
    /// `None` if there are no figures.
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let middle = figures.len() / 2;
        let upper = *figures.get(middle)?;
        let lower = if figures.len().is_multiple_of(2) {
            figures[middle - 1]
        } else {
            upper
        };
        Some(Self {
            median: f64::midpoint(lower, upper),
            lowest: *figures.first()?,
            highest: *figures.last()?,
            count: figures.len(),
        })
    }
}

/// The runs by experiment, in the order in which the experiments were first made.
pub(crate) fn by_experiment(runs: &[Run]) -> Vec<(&Experiment, Vec<&Run>)> {
    let mut groups: Vec<(&Experiment, Vec<&Run>)> = Vec::new();
    for run in runs {
        match groups.iter_mut().find(|(experiment, _)| **experiment == run.experiment) {
            Some((_, group)) => group.push(run),
            None => groups.push((&run.experiment, vec![run])),
        }
    }
    groups
}

/// A figure's spread over runs; `None` if no run has it.
pub(crate) fn spread(runs: &[&Run], figure: impl Fn(&Run) -> Option<f64>) -> Option<Spread> {
    Spread::of(runs.iter().filter_map(|run| figure(run)))
}

/// The run of an experiment that is in the middle by its rate.
pub(crate) fn median_run<'a>(runs: &[&'a Run]) -> Option<&'a Run> {
    let mut runs = runs.to_vec();
    runs.sort_by(|one, other| one.checkouts_per_second.total_cmp(&other.checkouts_per_second));
    runs.get(runs.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn the_median_is_the_middle_figure_or_between_the_two() {
        let median = |figures: &[f64]| Spread::of(figures.iter().copied()).map(|spread| spread.median);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }
}
