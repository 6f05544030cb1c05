//! What criterion does not report: how long a caller had to wait at worst.

use std::{fmt, time::Duration};

use crate::callers::{CALLERS, CallersResult};

/// A table of all long runs.
#[derive(Default)]
pub(crate) struct Summary(Vec<Line>);

/// One way in one setting.
struct Line {
    setting: String,
    way: String,
    increments_per_second: f64,
    /// 99 of 100 increments took no longer.
    p99: Duration,
    worst: Duration,
}

impl Summary {
    pub(crate) fn add(&mut self, setting: &str, way: &str, seen: CallersResult) {
        let CallersResult { mut latencies, elapsed } = seen;
        latencies.sort_unstable();
        let rank = |percent: usize| latencies.get((latencies.len() * percent).div_ceil(100).saturating_sub(1));
        #[expect(clippy::cast_precision_loss, reason = "there are far fewer increments than 2^52")]
        let increments = latencies.len() as f64;
        self.0.push(Line {
            setting: setting.to_owned(),
            way: way.to_owned(),
            increments_per_second: increments / elapsed.as_secs_f64(),
            p99: rank(99).copied().unwrap_or_default(),
            worst: rank(100).copied().unwrap_or_default(),
        });
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        writeln!(formatter, "{CALLERS} callers without a pause, no increment lost:\n")?;
        writeln!(formatter, "| setting | way | increments/s | p99 (ms) | worst (ms) |")?;
        writeln!(formatter, "|---|---|--:|--:|--:|")?;
        self.0.iter().try_for_each(|line| line.fmt(formatter))
    }
}

impl fmt::Display for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "| {} | {} | {:.0} | {:.1} | {:.1} |",
            self.setting,
            self.way,
            self.increments_per_second,
            self.p99.as_secs_f64() * 1_000.0,
            self.worst.as_secs_f64() * 1_000.0,
        )
    }
}
