use std::{path::Path, time::Duration};

use tempfile::NamedTempFile;

/// A process's clock, as the file that says how far it is off.
pub struct Clock(NamedTempFile);

impl Default for Clock {
    fn default() -> Self {
        Self(NamedTempFile::new().expect("a file for the clock"))
    }
}

impl Clock {
    /// Farther ahead than anything of a finished saga is kept, also where it was finished by a clock that was ahead.
    pub const OVER_AN_HOUR: Duration = Duration::from_secs(70 * 60);

    /// The setting with which a process follows this clock.
    #[must_use]
    pub fn setting(&self) -> (&'static str, String) {
        ("CLOCK_OFFSET_FILE", self.path().display().to_string())
    }

    /// Sets the clock off by so many milliseconds.
    ///
    /// # Panics
    /// Where the file cannot be written.
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
