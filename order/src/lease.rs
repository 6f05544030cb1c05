//! How long a driver is left alone.

use std::time::Duration;

/// What a lease grows to at least, if the first one is short: time enough for every step of a saga, each of them
/// slow.
const GROWN: Duration = Duration::from_secs(30);
/// How many first leases a lease grows to at least. The first one is as long as a call may take, and a drive makes
/// three calls, one after the other, and changes the order's record.
const GROWN_LEASES: u32 = 4;
/// No lease grows beyond this part of the time for which a driver is accepted.
const OF_MAX_AGE: u32 = 3;

/// The leases of a saga's drivers: each is twice as long as the one before, up to a bound.
///
/// With one length for all, two processes would overtake each other for ever if their steps took longer than that:
/// each of their drives is then in the right, and none of them comes to an end. A lease that grows outlasts any drive
/// after a few take-overs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leases {
    first: Duration,
    /// How long after it took the saga a driver is accepted.
    max_age: Duration,
}

impl Leases {
    /// Leases that begin with this one, of drivers that are accepted for so long.
    #[must_use]
    pub const fn new(first: Duration, max_age: Duration) -> Self {
        Self { first, max_age }
    }

    /// The lease of a saga's first driver, the shortest.
    #[must_use]
    pub const fn first(self) -> Duration {
        self.first
    }

    /// The lease of the driver with this number.
    #[must_use]
    pub fn lease(self, epoch: u32) -> Duration {
        let grown = GROWN.max(self.first.saturating_mul(GROWN_LEASES));
        let longest = grown.min(self.max_age / OF_MAX_AGE).max(self.first);
        self.first.saturating_mul(2_u32.saturating_pow(epoch)).min(longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_AGE: Duration = Duration::from_secs(15 * 60);

    #[test]
    fn a_lease_doubles_up_to_a_bound_far_below_the_time_that_a_driver_is_accepted() {
        let seconds = |leases: Leases| [0, 1, 2, 3, 4, 9, u32::MAX].map(|epoch| leases.lease(epoch).as_millis());
        let of_millis = |millis| seconds(Leases::new(Duration::from_millis(millis), MAX_AGE));
        assert_eq!(of_millis(100), [100, 200, 400, 800, 1_600, 30_000, 30_000]);
        assert_eq!(
            of_millis(5_000),
            [5_000, 10_000, 20_000, 30_000, 30_000, 30_000, 30_000]
        );
        assert_eq!(
            of_millis(60_000),
            [60_000, 120_000, 240_000, 240_000, 240_000, 240_000, 240_000]
        );
        assert_eq!(of_millis(200_000)[1..3], [300_000, 300_000]);
        assert_eq!(
            of_millis(600_000),
            [600_000; 7],
            "one that is longer from the start stays as it is"
        );
    }

    #[test]
    fn a_lease_outlasts_a_drive_whose_calls_each_take_as_long_as_they_may() {
        for call in [10, 100, 2_000, 10_000, 60_000].map(Duration::from_millis) {
            let leases = Leases::new(call.max(Duration::from_millis(100)), MAX_AGE);
            assert!(
                leases.lease(10) > call * 3 && leases.lease(10) * 2 < MAX_AGE,
                "{call:?}"
            );
        }
    }
}
