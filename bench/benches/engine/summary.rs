//! What criterion does not report: how long a caller had to wait at worst.

use std::fmt;

use crate::callers::Seen;

/// A table of everything that was measured, warm-up included.
#[derive(Default)]
pub(crate) struct Summary(Vec<Line>);

struct Line {
    setting: String,
    way: String,
    seen: Seen,
}

impl Summary {
    pub(crate) fn add(&mut self, setting: &str, way: &str, seen: Seen) {
        self.0.push(Line {
            setting: setting.to_owned(),
            way: way.to_owned(),
            seen,
        });
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        writeln!(
            formatter,
            "| setting | way | increments/s | p99 (ms) | worst (ms) | increments, none lost |"
        )?;
        writeln!(formatter, "|---|---|--:|--:|--:|--:|")?;
        self.0.iter().try_for_each(|line| line.fmt(formatter))
    }
}

impl fmt::Display for Line {
    #[expect(clippy::cast_precision_loss, reason = "counts and times are far smaller than 2^52")]
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setting, way, seen } = self;
        let latencies = &seen.latencies;
        let milliseconds = |microseconds: u64| microseconds as f64 / 1_000.0;
        writeln!(
            formatter,
            "| {setting} | {way} | {:.0} | {:.1} | {:.1} | {} |",
            latencies.len() as f64 / seen.elapsed.as_secs_f64(),
            milliseconds(latencies.value_at_quantile(0.99)),
            milliseconds(latencies.max()),
            latencies.len(),
        )
    }
}
