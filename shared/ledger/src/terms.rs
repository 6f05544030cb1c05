//! For how long a driver's word counts, and what a finished saga leaves is kept: the terms that order and its
//! participants share.
//!
//! # Why they are safe
//! A request that arrives late must not act twice. Either its driver is too old, or a record of its saga
//! is still there and refuses it. So no record of a saga may be forgotten before all its drivers are too old. Let `H` be
//! [`Terms::drive_max_age`], `K` be [`Terms::finished_retention`] and `D` the saga's deadline.
//!
//! - Ages are told by two stores' clocks: order's says when a driver took its saga, the participant's says when the
//!   request is decided. If the clocks differ by more than `H`, no fresh driver is accepted either, so nothing happens
//!   at all. While anything happens, a request is thus accepted for `2 H` at most.
//! - A saga is driven forward only within `D` of its begin, and what it leaves is written after its begin. So
//!   `K >= D + 2 H` keeps every record until no drive forward is accepted any more (the saga's model calls this the
//!   short deadline, and shows what is lost without it).
//! - Drives back may follow one another for ever. The model lets each of four begin while the one before is accepted, and
//!   a record outlive them all: `K >= 4 H`.
//! - A paid saga's holds are settled `K` after it was paid, and not before `H` by the participant's own clock.
//!
//! A tombstone that was written under shorter terms does not become older. So the terms are changed while no service
//! runs, or at least while no saga is under way.

use std::ops::RangeInclusive;

use clap::{Args, builder::TypedValueParser};
use domain::{Millis, Timestamp};

/// How long words count and records stay. The same for order, stock and payment; each request is checked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub struct Terms {
    /// How long what a finished saga leaves is kept, in milliseconds: at least four times `DRIVE_MAX_AGE_MS`, and twice that more than a saga's deadline.
    #[arg(long = "finished-retention-ms", value_name = "MILLIS", env = "FINISHED_RETENTION_MS", default_value_t = Terms::DEFAULT.finished_retention, value_parser = clap::value_parser!(u64).range(1_000..=86_400_000).map(Millis::new))]
    pub finished_retention: Millis,
    // Far beyond a lease. A driver may sleep for hours, with its machine, and go on with what it knew; and a request may
    // lie in some buffer as long. What they know is then too old to act on.
    /// How long after a driver took its saga its requests are accepted, in milliseconds: at least twice a driver's lease.
    #[arg(long = "drive-max-age-ms", value_name = "MILLIS", env = "DRIVE_MAX_AGE_MS", default_value_t = Terms::DEFAULT.drive_max_age, value_parser = clap::value_parser!(u64).range(200..=21_600_000).map(Millis::new))]
    pub drive_max_age: Millis,
}

impl Default for Terms {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The terms would let a late request act twice, or would refuse a driver that is at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadTerms {
    /// Records would go before drives back are too old.
    #[error("FINISHED_RETENTION_MS is {is}, and must be at least four times DRIVE_MAX_AGE_MS: {min}")]
    RetentionTooShort {
        /// What it is.
        is: Millis,
        /// What it must be at least.
        min: Millis,
    },
    /// Records would go before drives forward are too old.
    #[error("FINISHED_RETENTION_MS is {is}, and must be at least SAGA_DEADLINE_MS and twice DRIVE_MAX_AGE_MS: {min}")]
    DeadlineTooLong {
        /// What it is.
        is: Millis,
        /// What it must be at least.
        min: Millis,
    },
    /// A driver would be refused while it is left alone.
    #[error("DRIVE_MAX_AGE_MS is {is}, and must be at least twice SAGA_LEASE_MS: {min}")]
    MaxAgeTooShort {
        /// What it is.
        is: Millis,
        /// What it must be at least.
        min: Millis,
    },
}

impl Terms {
    /// An hour, and a quarter of it.
    pub const DEFAULT: Self = Self {
        finished_retention: Millis::new(3_600_000),
        drive_max_age: Millis::new(900_000),
    };

    /// Checks what every service can check.
    ///
    /// # Errors
    /// [`BadTerms::RetentionTooShort`].
    pub fn check(self) -> Result<(), BadTerms> {
        let (is, min) = (self.finished_retention, self.drive_max_age.saturating_mul(4));
        if is < min {
            return Err(BadTerms::RetentionTooShort { is, min });
        }
        Ok(())
    }

    /// Checks the rest, for sagas of these times.
    ///
    /// # Errors
    /// See [`BadTerms`].
    pub fn check_for(self, deadline: Millis, lease: Millis) -> Result<(), BadTerms> {
        self.check()?;
        let (is, min) = (
            self.finished_retention,
            deadline.saturating_add(self.drive_max_age.saturating_mul(2)),
        );
        if is < min {
            return Err(BadTerms::DeadlineTooLong { is, min });
        }
        let (is, min) = (self.drive_max_age, lease.saturating_mul(2));
        if is < min {
            return Err(BadTerms::MaxAgeTooShort { is, min });
        }
        Ok(())
    }

    /// When a participant acts on a request of a driver that took its saga at `driven_since`: not much later, and not
    /// much earlier either, since the order's store and the participant's have clocks that differ.
    ///
    /// A participant compares it with its own store's clock, as every command's
    /// [`validity`](engine::Command::validity).
    #[must_use]
    pub fn drive_validity(self, driven_since: Timestamp) -> RangeInclusive<Timestamp> {
        let max_age = self.drive_max_age.duration();
        driven_since.before(max_age)..=driven_since.after(max_age)
    }

    /// When a participant may forget what a saga holds that was paid at `paid_since`.
    ///
    /// Every driver of the saga took it before it was paid. So from this time on none of them is accepted, by the same
    /// clock that says so: whoever asks for the saga again is refused for that, and no longer by its holds.
    #[must_use]
    pub fn settling_validity(self, paid_since: Timestamp) -> RangeInclusive<Timestamp> {
        paid_since.after(self.drive_max_age.duration())..=Timestamp::MAX
    }

    /// As the header tells them.
    #[must_use]
    pub fn header_value(self) -> String {
        format!("retention={} max-age={}", self.finished_retention, self.drive_max_age)
    }

    /// Whether a request that tells these terms may be served. One that tells none comes from somebody who knows the
    /// defaults alone.
    #[must_use]
    pub fn agree_with(self, header: Option<&str>) -> bool {
        match header {
            Some(value) => value == self.header_value(),
            None => self == Self::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn minutes(retention: u64, max_age: u64) -> Terms {
        Terms {
            finished_retention: Millis::new(retention * 60_000),
            drive_max_age: Millis::new(max_age * 60_000),
        }
    }

    const MINUTE: Millis = Millis::new(60_000);

    #[test]
    fn terms_that_would_forget_too_early_are_refused() {
        assert_eq!(Terms::default(), minutes(60, 15));
        let (short, lease) = (Millis::new(30_000), Millis::new(5_000));
        assert_eq!(Terms::default().check_for(MINUTE.saturating_mul(30), lease), Ok(()));
        assert_eq!(minutes(4, 1).check_for(short, lease), Ok(()));
        let refused = minutes(3, 1).check_for(short, lease);
        assert_eq!(
            refused,
            Err(BadTerms::RetentionTooShort {
                is: Millis::new(180_000),
                min: Millis::new(240_000)
            })
        );
        let refused = Terms::default().check_for(MINUTE.saturating_mul(31), lease);
        assert!(matches!(refused, Err(BadTerms::DeadlineTooLong { .. })), "{refused:?}");
        let refused = minutes(4, 1).check_for(short, MINUTE);
        assert!(matches!(refused, Err(BadTerms::MaxAgeTooShort { .. })), "{refused:?}");
    }

    #[test]
    fn only_the_same_terms_agree() {
        let (short, usual) = (minutes(4, 1), Terms::default());
        assert!(short.agree_with(Some(&short.header_value())));
        assert!(!short.agree_with(Some(&usual.header_value())));
        assert!(!short.agree_with(None));
        assert!(usual.agree_with(None));
    }

    #[test]
    fn a_drive_is_accepted_for_a_while_by_clocks_that_differ_a_little() {
        let (terms, minute) = (Terms::default(), |minutes: u64| {
            Timestamp::from_millis(minutes * 60_000)
        });
        for near in [45, 59, 60, 61, 75] {
            assert!(terms.drive_validity(minute(near)).contains(&minute(60)), "{near}");
        }
        for far in [0, 44, 76, 200] {
            assert!(!terms.drive_validity(minute(far)).contains(&minute(60)), "{far}");
        }
    }

    #[test]
    fn what_a_paid_saga_holds_is_forgotten_only_when_none_of_its_drivers_is_accepted() {
        let (terms, paid) = (Terms::default(), Timestamp::from_millis(1_000_000_000));
        let last = *terms.drive_validity(paid).end();
        assert!(
            !terms
                .settling_validity(paid)
                .contains(&last.before(Duration::from_millis(1)))
        );
        assert!(
            terms
                .settling_validity(paid)
                .contains(&last.after(Duration::from_millis(1)))
        );
    }
}
