use std::{path::Path, time::Duration};

use tempfile::NamedTempFile;

use crate::RedisServer;

/// A process's clock, as the file that says how far it is off.
pub struct Clock(NamedTempFile);

impl Default for Clock {
    fn default() -> Self {
        Self(NamedTempFile::new().expect("a file for the clock"))
    }
}

impl Clock {
    /// The setting with which a process follows this clock.
    #[must_use]
    pub fn setting(&self) -> (&'static str, String) {
        ("CLOCK_OFFSET_FILE", self.path().display().to_string())
    }

    /// Sets the clock off by so many milliseconds.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn set_off(&self, milliseconds: i64) {
        std::fs::write(self.path(), milliseconds.to_string()).expect("the clock's file");
    }

    /// Sets the clock ahead.
    ///
    /// # Panics
    /// As [`Clock::set_off`].
    pub fn set_ahead(&self, by: Duration) {
        self.set_off(i64::try_from(by.as_millis()).expect("less than a lifetime"));
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Longer than anything of a finished saga is kept.
const OVER_AN_HOUR: Duration = Duration::from_secs(70 * 60);

/// Makes every paid saga in order's store older, as if more than an hour had passed, so that it is settled.
///
/// The services decide by their stores' clocks, which nobody can set ahead; but the index says since when a saga is paid.
pub async fn let_an_hour_pass(orders: &RedisServer) {
    // A paid saga's score is the negative of the time at which it was paid.
    const AGE: &str = "for _, index in ipairs(redis.call('KEYS', 'inflight:*')) do \
         for _, saga in ipairs(redis.call('ZRANGEBYSCORE', index, '-inf', '-1')) do \
         redis.call('ZINCRBY', index, ARGV[1], saga) end end";
    let by = OVER_AN_HOUR.as_millis().to_string();
    orders.run(&["EVAL", AGE, "0", &by]).await;
}
