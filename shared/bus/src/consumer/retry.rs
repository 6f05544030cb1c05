//! Asking the bus again.

use std::time::Duration;

use domain::Backoff;
use tokio::time::Instant;

/// The waits between two tries of what the bus did not do.
pub(super) const TROUBLE: Backoff = Backoff {
    min: Duration::from_millis(50),
    max: Duration::from_secs(2),
};

/// When to try again what the bus did not do.
pub(super) struct Retry {
    pub(super) at: Instant,
    failures: u32,
}

impl Retry {
    pub(super) fn now() -> Self {
        Self {
            at: Instant::now(),
            failures: 0,
        }
    }

    pub(super) fn failed(&mut self) {
        self.at = Instant::now() + TROUBLE.wait(self.failures);
        self.failures = self.failures.saturating_add(1);
    }
}
