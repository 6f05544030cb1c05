//! Counts as fractions, in one place, because the compiler rightly asks whether they fit.

use std::time::Duration;

/// A count as a fraction: of calls, bytes or microseconds.
#[expect(
    clippy::cast_precision_loss,
    reason = "no count of a run comes near 2^52, above which a fraction is not exact"
)]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

/// A time in milliseconds.
pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// `part` for each of `count`; as it is, if there are none.
pub(crate) fn each(part: f64, count: u64) -> f64 {
    part / float(count.max(1))
}
