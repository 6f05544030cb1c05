//! Logs and metrics of a process.

use std::{
    ffi::OsStr,
    io::{IsTerminal, stderr},
    time::Duration,
};

use clap::{Args, ValueEnum};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

/// How the process writes its log.
#[derive(Debug, Clone, Args)]
pub struct TelemetryConfig {
    /// One line of JSON an event, or lines for a person at a terminal.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// What is logged, as tracing's directives: a level, or target=level pairs.
    #[arg(long, env = "RUST_LOG", default_value = "info,poem::server=warn")]
    pub log: String,
}

/// A log's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For a person at a terminal.
    Text,
    /// For a machine: one object a line.
    Json,
}

/// How often what was measured is put into its summaries. Until then every measurement takes its place in memory.
const UPKEEP: Duration = Duration::from_secs(5);

/// The process's metrics, in Prometheus's text format.
#[derive(Clone)]
pub struct Telemetry(PrometheusHandle);

/// Logs and metrics could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The directives of the log are wrong.
    #[error("RUST_LOG cannot be read: {0}")]
    Directives(#[from] tracing_subscriber::filter::ParseError),
    /// The recorder is wrong, or another one is there already.
    #[error("metrics cannot be recorded: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    /// Another subscriber is there already.
    #[error("the log cannot be set up: {0}")]
    Log(#[from] tracing_subscriber::util::TryInitError),
}

impl Telemetry {
    /// Sets up the process's log, on standard error, and its metrics, on the current tokio runtime. Once a process.
    pub fn start(config: &TelemetryConfig) -> Result<Self, TelemetryError> {
        use tracing_subscriber::{fmt, layer::SubscriberExt, util::SubscriberInitExt};
        let filter = EnvFilter::try_new(&config.log)?;
        let subscriber = tracing_subscriber::registry().with(filter);
        match config.log_format {
            LogFormat::Text => {
                let is_coloured = is_coloured(stderr().is_terminal(), std::env::var_os("NO_COLOR").as_deref());
                let lines = fmt::layer().with_ansi(is_coloured).with_writer(stderr);
                subscriber.with(lines).try_init()?;
            }
            LogFormat::Json => subscriber
                .with(fmt::layer().json().flatten_event(true).with_writer(stderr))
                .try_init()?,
        }
        let metrics = PrometheusBuilder::new().install_recorder()?;
        tokio::spawn(keep_up(metrics.clone(), UPKEEP));
        Ok(Self(metrics))
    }

    /// All metrics as they stand.
    #[must_use]
    pub fn render(&self) -> String {
        self.0.render()
    }
}

/// Without a listener of its own the exporter has to be told to drain its histograms, or they grow for as long as nobody
/// asks for them.
async fn keep_up(metrics: PrometheusHandle, every: Duration) {
    let mut tick = tokio::time::interval(every);
    loop {
        tick.tick().await;
        metrics.run_upkeep();
    }
}

/// Colours are for a person at a terminal who has not said otherwise: <https://no-color.org>.
fn is_coloured(is_terminal: bool, no_color: Option<&OsStr>) -> bool {
    is_terminal && no_color.is_none_or(OsStr::is_empty)
}

#[cfg(test)]
mod tests {
    use metrics::histogram;

    use super::*;

    #[test]
    fn only_a_terminal_gets_colours_and_only_where_they_are_wanted() {
        assert!(is_coloured(true, None));
        assert!(is_coloured(true, Some(OsStr::new(""))));
        assert!(!is_coloured(true, Some(OsStr::new("1"))));
        assert!(!is_coloured(false, None));
    }

    #[tokio::test]
    async fn memory_stays_flat_however_much_is_measured_and_nobody_asks() {
        const MEASUREMENTS: u32 = 4_000_000;
        const ROOM: u64 = 8 << 20;
        let recorder = PrometheusBuilder::new().build_recorder();
        tokio::spawn(keep_up(recorder.handle(), Duration::from_millis(1)));
        let seconds = metrics::with_local_recorder(&recorder, || histogram!("seconds"));
        let before = resident_bytes();
        for number in 0..MEASUREMENTS {
            seconds.record(f64::from(number % 1_000) / 1e6);
            if number % 10_000 == 0 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        // Each takes at least eight bytes until it is drained.
        let grown = resident_bytes().saturating_sub(before);
        assert!(grown < ROOM, "{grown} bytes more");
    }

    fn resident_bytes() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").expect("this process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.expect("a size").trim().trim_end_matches(" kB");
        kibibytes.parse::<u64>().expect("a number") * 1_024
    }
}
