//! What the index of sagas in flight says about each of them, as its score.

use std::ops::RangeInclusive;

use domain::Timestamp;

/// Where a saga in the index stands.
///
/// A saga under way has the time at which it was last taken as its score, a paid one the negative of the time at which
/// it was paid. So one index does for both, and a saga that is paid only changes its score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inflight {
    /// Nobody has finished it.
    UnderWay {
        /// When a driver took it.
        since: Timestamp,
    },
    /// It is paid, and its holds have to be forgotten some time.
    Paid {
        /// When it was paid.
        since: Timestamp,
    },
}

impl Inflight {
    /// As a score.
    #[must_use]
    pub fn score(self) -> f64 {
        match self {
            Self::UnderWay { since } => since.score(),
            Self::Paid { since } => -since.score(),
        }
    }

    /// When it was last taken, or paid.
    #[must_use]
    pub fn since(self) -> Timestamp {
        match self {
            Self::UnderWay { since } | Self::Paid { since } => since,
        }
    }

    /// What a score says.
    #[must_use]
    pub fn from_score(score: f64) -> Self {
        let since = Timestamp::from_score(score.abs());
        if score < 0.0 {
            Self::Paid { since }
        } else {
            Self::UnderWay { since }
        }
    }
}

/// The scores of sagas under way that were taken up to `time`.
pub(crate) fn taken_up_to(time: Timestamp) -> RangeInclusive<f64> {
    0.0..=time.score()
}

/// The scores of sagas under way that were taken at `time` or later.
pub(crate) fn taken_from(time: Timestamp) -> RangeInclusive<f64> {
    time.score()..=f64::INFINITY
}

/// The scores of sagas that were paid up to `time`.
pub(crate) fn paid_up_to(time: Timestamp) -> RangeInclusive<f64> {
    -time.score()..=-1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_says_where_a_saga_stands() {
        let at = Timestamp::from_millis;
        for inflight in [
            Inflight::UnderWay {
                since: at(1_800_000_000_000),
            },
            Inflight::Paid {
                since: at(1_800_000_000_001),
            },
        ] {
            assert_eq!(Inflight::from_score(inflight.score()), inflight);
        }
        let paid = Inflight::Paid { since: at(50) }.score();
        assert!(paid_up_to(at(50)).contains(&paid) && !paid_up_to(at(49)).contains(&paid));
        let taken = Inflight::UnderWay { since: at(50) }.score();
        assert!(taken_up_to(at(50)).contains(&taken) && !taken_up_to(at(49)).contains(&taken));
        assert!(taken_from(at(50)).contains(&taken) && !taken_from(at(51)).contains(&taken));
        assert!(!taken_up_to(at(60)).contains(&paid) && !paid_up_to(at(60)).contains(&taken));
    }
}
