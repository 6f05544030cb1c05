//! Wall-clock time as a value that commands carry, so that decisions stay pure.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

/// How far this process's clock is set off, in milliseconds. Nothing but [`rehearse`] changes it.
static OFFSET_MILLIS: AtomicI64 = AtomicI64::new(0);

/// Milliseconds since the Unix epoch.
///
/// Machines' clocks differ, so what is decided is decided by the clock of the store that holds the records
/// ([`View::now`](crate::engine::View::now)): one clock, whoever asks.
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
        Self::from_millis(milliseconds.saturating_add_signed(OFFSET_MILLIS.load(Ordering::Relaxed)))
    }

    /// A point in time by its milliseconds since the epoch.
    #[must_use]
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(milliseconds)
    }

    /// What Redis's TIME says: whole seconds and microseconds since the epoch, as text.
    #[must_use]
    pub(crate) fn from_redis(seconds: &str, microseconds: &str) -> Option<Self> {
        let (seconds, microseconds): (u64, u64) = (seconds.parse().ok()?, microseconds.parse().ok()?);
        Some(Self(seconds.checked_mul(1_000)?.checked_add(microseconds / 1_000)?))
    }

    /// How much later it is than `earlier`; nothing where a clock was set back.
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
    pub fn of_score(score: f64) -> Self {
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

/// Sets this process's clock off by as many milliseconds as the file says, and again whenever it says
/// something else: a clock that steps can be rehearsed without touching the machine's.
pub async fn rehearse(file: PathBuf) {
    const LOOK: Duration = Duration::from_millis(50);
    loop {
        let said = tokio::fs::read_to_string(&file).await.unwrap_or_default();
        if let Ok(offset) = said.trim().parse() {
            let before = OFFSET_MILLIS.swap(offset, Ordering::Relaxed);
            if before != offset {
                tracing::warn!(before, offset, "this process's clock was set off, in milliseconds");
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}
