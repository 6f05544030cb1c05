//! What grows: a line through the samples after the warm-up, and whether its slope is allowed. Pure.

use std::time::Duration;

use serde::Serialize;

use crate::numbers::{each, float};

/// A process whose memory is flat still takes and gives back pages: so much more at the end is noise. A byte kept
/// for each call would be ten times as much within minutes at any rate worth a soak.
const NOISE: f64 = 8e6;
/// What a redis-server's pages hold may be so much more than what it uses: jemalloc's rounding, and the pages that were
/// copied while it rewrote its file.
const PAGES: f64 = 1.5;
/// Growing tables are doubled, and a rewrite's buffers come and go.
const REDIS_NOISE: f64 = 16e6;

/// By how much a process may grow after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Bound {
    /// By nothing but noise.
    Flat,
    /// By so many bytes an order, and noise.
    EachOrder(f64),
}

impl Bound {
    /// What an order of two lines may take in the Redis of a service while its holds are remembered.
    ///
    /// Order: its record for ever, its entry in the index, and its share of the outbox until that is trimmed; 683 bytes were
    /// measured. Stock: two holds and an event; 320 to 378. Payment: a hold and an event; 160 to 178. The rest is for
    /// tables that have just been doubled.
    pub(crate) fn stored(service: &str) -> Self {
        Self::EachOrder(match service {
            "order" => 800.0,
            "stock" => 480.0,
            _ => 250.0,
        })
    }

    /// The same, of the pages that the server has.
    pub(crate) fn resident(service: &str) -> Self {
        match Self::stored(service) {
            Self::EachOrder(bytes) => Self::EachOrder(PAGES * bytes),
            Self::Flat => Self::Flat,
        }
    }
}

/// What was seen at one moment.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Sample {
    /// In seconds from the start.
    at: f64,
    /// How many orders had been paid.
    orders: u64,
    /// In the order in which they are told: what it is, how it is bound, and its bytes.
    bytes: Vec<(Bound, String, u64)>,
}

impl Sample {
    /// What was seen after so long and so many orders.
    pub(crate) fn new(at: Duration, orders: u64, bytes: Vec<(Bound, String, u64)>) -> Self {
        Self {
            at: at.as_secs_f64(),
            orders,
            bytes,
        }
    }
}

/// What became of one process's memory, in bytes.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Growth {
    /// Which process, and which of its measures.
    pub(crate) what: String,
    /// At the first sample.
    pub(crate) start: u64,
    /// At the first sample after the warm-up.
    pub(crate) warm: u64,
    /// At the last sample.
    pub(crate) end: u64,
    /// After the warm-up.
    pub(crate) each_minute: f64,
    /// After the warm-up.
    pub(crate) each_order: f64,
    /// By how much it grew in all after the warm-up, by the line through the samples.
    pub(crate) grown: f64,
    /// By how much it may have.
    pub(crate) most: f64,
    pub(crate) bound: Bound,
}

impl Growth {
    /// Whether it grew by no more than it may.
    pub(crate) fn is_within_its_bound(&self) -> bool {
        self.grown <= self.most
    }
}

/// What became of each process's memory after the warm-up, in seconds. Nothing can be told of fewer than two samples.
pub(crate) fn growth(samples: &[Sample], warm_up: f64) -> Vec<Growth> {
    let warm: Vec<&Sample> = samples.iter().filter(|sample| sample.at >= warm_up).collect();
    let (Some(start), [from, .., last]) = (samples.first(), &warm[..]) else {
        return Vec::new();
    };
    let (time, orders) = (last.at - from.at, last.orders.saturating_sub(from.orders));
    let of = |(index, (bound, what, bytes_at_start)): (usize, &(Bound, String, u64))| {
        let bytes = |sample: &&Sample| sample.bytes.get(index).map_or(0, |(_, _, bytes)| *bytes);
        let points: Vec<(f64, f64)> = warm.iter().map(|one| (one.at, float(bytes(one)))).collect();
        let a_second = slope(&points);
        let grown = a_second * time;
        Growth {
            what: what.clone(),
            start: *bytes_at_start,
            warm: bytes(from),
            end: bytes(last),
            each_minute: 60.0 * a_second,
            each_order: each(grown, orders),
            grown,
            most: match bound {
                Bound::Flat => NOISE,
                Bound::EachOrder(each) => each * float(orders) + REDIS_NOISE,
            },
            bound: *bound,
        }
    };
    start.bytes.iter().enumerate().map(of).collect()
}

/// The slope of the line that fits the points best (least squares).
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = float(points.len() as u64).max(1.0);
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / count;
    let together: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let spread: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    if spread > 0.0 { together / spread } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WARM_UP: u64 = 300;

    /// Half an hour at 1,000 orders a second, of a process with so many bytes at each moment.
    fn grown(bound: Bound, bytes: impl Fn(u64) -> u64) -> Growth {
        let samples: Vec<Sample> = (0..=180)
            .map(|number| 10 * number)
            .map(|at| {
                let bytes = vec![(bound, "it".to_owned(), bytes(at))];
                Sample::new(Duration::from_secs(at), 1_000 * at, bytes)
            })
            .collect();
        growth(&samples, float(WARM_UP)).pop().expect("enough samples")
    }

    #[test]
    fn what_fills_its_caches_and_then_only_wavers_is_flat() {
        let growth = grown(Bound::Flat, |at| {
            20_000_000 + 100_000 * at.min(WARM_UP) + 3_000_000 * (at / 10 % 2)
        });
        assert!(growth.is_within_its_bound(), "{growth:?}");
        assert_eq!((growth.start, growth.warm), (20_000_000, 50_000_000));
        assert!(growth.each_order.abs() < 1.0, "{growth:?}");
    }

    #[test]
    fn a_few_bytes_kept_of_every_call_are_not() {
        // 19.6 bytes a call, four calls an order.
        let growth = grown(Bound::Flat, |at| 20_000_000 + 78_400 * at);
        assert!(!growth.is_within_its_bound(), "{growth:?}");
        assert!((growth.each_order - 78.4).abs() < 0.1 && (growth.each_minute - 4_704_000.0).abs() < 1_000.0);
    }

    #[test]
    fn a_store_may_grow_by_what_an_order_takes_and_no_more() {
        let bound = Bound::stored("payment");
        assert!(grown(bound, |at| 240_000 * at).is_within_its_bound());
        assert!(!grown(bound, |at| 270_000 * at).is_within_its_bound());
    }

    #[test]
    fn a_soak_without_two_samples_after_its_warm_up_says_nothing() {
        assert!(growth(&[], 0.0).is_empty());
        let one = Sample::new(Duration::from_secs(400), 1, Vec::new());
        assert!(growth(&[one], 300.0).is_empty());
    }
}
