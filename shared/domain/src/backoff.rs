//! Waiting a little longer, and never in step with others, before each new try.
//!
//! Source: "Exponential Backoff And Jitter", AWS Architecture Blog (the "full jitter" variant).

use std::time::Duration;

/// Doubling waits with full jitter between two bounds.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// The upper bound of the first wait.
    pub min: Duration,
    /// The upper bound that no wait exceeds.
    pub max: Duration,
}

impl Backoff {
    /// The wait before try number `attempt` (from 0): a random share of `min * 2^attempt`, at most `max`.
    #[must_use]
    pub fn wait(&self, attempt: u32) -> Duration {
        let bound = self.min.saturating_mul(1 << attempt.min(16)).min(self.max);
        bound.mul_f64(rand::random())
    }

    /// Sleeps for [`Backoff::wait`].
    pub async fn sleep(&self, attempt: u32) {
        tokio::time::sleep(self.wait(attempt)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_stays_within_its_bounds() {
        let backoff = Backoff {
            min: Duration::from_millis(1),
            max: Duration::from_millis(20),
        };
        for attempt in 0..200 {
            let bound = Duration::from_millis(1 << attempt.min(5)).min(backoff.max);
            assert!(backoff.wait(attempt) <= bound);
        }
    }
}
