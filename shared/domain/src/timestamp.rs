//! Wall-clock time as a value that commands carry, so that decisions stay pure.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Milliseconds since the Unix epoch.
///
/// Machines' clocks differ, so decisions use the clock of the store that holds the records: one clock, whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Before every other.
    pub const MIN: Self = Self(0);
    /// After every other.
    pub const MAX: Self = Self(u64::MAX);

    /// The present, by this machine's clock.
    #[must_use]
    pub fn now() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let milliseconds = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
        #[cfg(feature = "clock-faults")]
        let milliseconds = milliseconds.saturating_add_signed(crate::clock_faults::offset_millis());
        Self(milliseconds)
    }

    /// A point in time by its milliseconds since the epoch.
    #[must_use]
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(milliseconds)
    }

    /// Its milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// As RFC 3339 writes it, in UTC and milliseconds; nothing for what lies after the year 9999.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        let nanoseconds = i128::from(self.0) * 1_000_000;
        OffsetDateTime::from_unix_timestamp_nanos(nanoseconds)
            .ok()
            .and_then(|time| time.format(&Rfc3339).ok())
            .unwrap_or_default()
    }

    /// What Redis's TIME says: whole seconds and microseconds since the epoch, as text.
    #[must_use]
    pub fn from_redis(seconds: &str, microseconds: &str) -> Option<Self> {
        let (seconds, microseconds): (u64, u64) = (seconds.parse().ok()?, microseconds.parse().ok()?);
        Some(Self(seconds.checked_mul(1_000)?.checked_add(microseconds / 1_000)?))
    }

    /// How much later it is than `earlier`; nothing if a clock was set back.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The point `duration` earlier.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }

    /// The point `duration` later.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// The time that a score says.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a score of ours is a whole number of milliseconds"
    )]
    pub fn from_score(score: f64) -> Self {
        Self(score as u64)
    }

    /// As a score of a sorted set, which is a double: exact for the next 285,000 years.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "milliseconds stay below 2^53")]
    pub fn score(self) -> f64 {
        self.0 as f64
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
