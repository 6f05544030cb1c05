//! How large a batch may be.
//!
//! A batch is as large as what waits, until a large one fails: rivals come first, or the network does not carry it, or
//! one of its commands is poison. Then the next is smaller, down to a single command; and larger again when that
//! passes.

use std::time::Duration;

use tokio::time::Instant;

/// The most commands in one transaction.
const MAX_COMMANDS: usize = 4_096;
/// The most bytes that one load should bring, from which on batches get smaller. Redis serves nobody else meanwhile.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// So many conflicts in a row are luck. After more, a smaller batch may be quicker than its rivals.
const PATIENT_CONFLICTS: u32 = 3;
/// Losses that are further apart are accidents, and say nothing of the size.
const ACCIDENT: Duration = Duration::from_secs(10);
/// How long a size that was lost is not tried again, at first; twice as long each time that it is lost again.
const FIRST_HOLD: Duration = Duration::from_secs(5);
const LONGEST_HOLD: Duration = Duration::from_secs(300);

/// What one batch may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) commands: usize,
    pub(super) records: usize,
}

impl Bounds {
    /// A single command.
    pub(super) const ONE: Self = Self {
        commands: 1,
        records: 1,
    };
}

pub(super) struct Pace {
    records: usize,
    commands: usize,
    conflicts: u32,
    /// The smallest batch that was lost since the last one passed.
    smallest_lost: Option<usize>,
    lost_at: Option<Instant>,
    /// The last loss came soon after another.
    is_suspicious: bool,
    ceiling: Option<Ceiling>,
}

/// A size that does not pass, as it seems.
struct Ceiling {
    commands: usize,
    until: Instant,
    hold: Duration,
}

impl Pace {
    pub(super) fn new(records: usize) -> Self {
        Self {
            records,
            commands: MAX_COMMANDS,
            conflicts: 0,
            smallest_lost: None,
            lost_at: None,
            is_suspicious: false,
            ceiling: None,
        }
    }

    pub(super) fn bounds(&self, now: Instant) -> Bounds {
        let ceiling = self.ceiling.as_ref().filter(|ceiling| now < ceiling.until);
        Bounds {
            commands: ceiling.map_or(self.commands, |ceiling| ceiling.commands.min(self.commands)),
            records: self.records,
        }
    }

    /// A batch has passed for which so many bytes were loaded.
    pub(super) fn passed(&mut self, commands: usize, bytes: usize, now: Instant) {
        self.conflicts = 0;
        if let Some(lost) = self.smallest_lost.take()
            && self.is_suspicious
        {
            self.hold_below(lost, now);
        }
        if bytes > MAX_BYTES {
            self.commands = (commands / 2).max(1);
        } else if bytes <= MAX_BYTES / 2 {
            self.commands = (self.commands * 2).min(MAX_COMMANDS);
        }
    }

    /// A rival came first.
    pub(super) fn conflicted(&mut self, commands: usize) {
        self.conflicts += 1;
        self.commands = match self.conflicts {
            // What has come since then would only make the next try longer.
            ..=PATIENT_CONFLICTS => commands.max(1),
            _ => (commands / 2).max(1),
        };
    }

    /// The batch did not come through, or its answer didn't, on a connection that was there.
    pub(super) fn lost(&mut self, commands: usize, now: Instant) {
        if commands <= 1 {
            // It was not for the size.
            return;
        }
        let last = self.lost_at.replace(now);
        self.is_suspicious = last.is_some_and(|last| now < last + ACCIDENT);
        // Each loss may cost a timeout, of which a command's deadline has room for few.
        self.commands = (commands / 4).max(1);
        self.smallest_lost = Some(self.smallest_lost.map_or(commands, |smallest| smallest.min(commands)));
    }

    /// The batch as a whole cannot be written, because of one of its commands.
    pub(super) fn split(&mut self, commands: usize) {
        self.commands = (commands / 2).max(1);
    }

    fn hold_below(&mut self, lost: usize, now: Instant) {
        let hold = match self.ceiling.take() {
            // Found out more closely.
            Some(before) if now < before.until => before.hold,
            Some(before) if now < before.until + before.hold => (before.hold * 2).min(LONGEST_HOLD),
            _ => FIRST_HOLD,
        };
        self.ceiling = Some(Ceiling {
            commands: lost / 2,
            until: now + hold,
            hold,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_cut_to_a_single_command_in_few_steps() {
        let mut pace = Pace::new(256);
        let mut losses = 0;
        let now = Instant::now();
        while pace.bounds(now).commands > 1 {
            pace.lost(pace.bounds(now).commands.min(256), now);
            losses += 1;
        }
        assert_eq!(losses, 4);
        pace.lost(1, now);
        assert_eq!(pace.bounds(now).commands, 1, "and no further");
    }

    #[test]
    fn a_size_that_does_not_pass_is_tried_ever_more_seldom() {
        // The network carries 20 commands at once and no more.
        let mut pace = Pace::new(256);
        let start = Instant::now();
        let mut lost = Vec::new();
        for second in 0..600 {
            let now = start + Duration::from_secs(second);
            for _ in 0..20 {
                let commands = pace.bounds(now).commands.min(256);
                if commands > 20 {
                    pace.lost(commands, now);
                    lost.push(second);
                } else {
                    pace.passed(commands, 0, now);
                }
            }
        }
        let first = lost.iter().filter(|second| **second < 5).count();
        assert!((1..=6).contains(&first), "{lost:?}");
        assert!(lost.len() < 30, "{lost:?}");
        assert!(lost.iter().filter(|second| **second >= 300).count() <= 6, "{lost:?}");
    }

    #[test]
    fn after_a_lone_loss_batches_are_full_again_soon() {
        let mut pace = Pace::new(256);
        let now = Instant::now();
        pace.lost(256, now);
        for _ in 0..12 {
            pace.passed(pace.bounds(now).commands, 0, now);
        }
        assert_eq!(pace.bounds(now).commands, MAX_COMMANDS);
    }

    #[test]
    fn rivals_make_a_batch_smaller_only_if_they_always_win() {
        let mut pace = Pace::new(256);
        let now = Instant::now();
        for _ in 0..3 {
            pace.conflicted(64);
            assert_eq!(pace.bounds(now).commands, 64);
        }
        pace.conflicted(64);
        assert_eq!(pace.bounds(now).commands, 32);
        pace.passed(32, 0, now);
        assert_eq!(pace.bounds(now).commands, 64);
    }

    #[test]
    fn heavy_records_make_a_batch_smaller_and_light_ones_larger() {
        let mut pace = Pace::new(256);
        let now = Instant::now();
        let each = 100_000;
        for _ in 0..20 {
            let commands = pace.bounds(now).commands;
            pace.passed(commands, commands * each, now);
        }
        let commands = pace.bounds(now).commands;
        assert!((MAX_BYTES / 4..=MAX_BYTES).contains(&(commands * each)), "{commands}");
        for _ in 0..20 {
            pace.passed(pace.bounds(now).commands, 0, now);
        }
        assert_eq!(pace.bounds(now).commands, MAX_COMMANDS);
    }
}
