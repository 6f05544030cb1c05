//! Logs and metrics of a process.

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
    /// Sets up the process's log, on standard error, and its metrics. Once a process.
    pub fn start(config: &TelemetryConfig) -> Result<Self, TelemetryError> {
        use tracing_subscriber::{fmt, layer::SubscriberExt, util::SubscriberInitExt};
        let filter = EnvFilter::try_new(&config.log)?;
        let subscriber = tracing_subscriber::registry().with(filter);
        match config.log_format {
            LogFormat::Text => subscriber.with(fmt::layer().with_writer(std::io::stderr)).try_init()?,
            LogFormat::Json => subscriber
                .with(fmt::layer().json().flatten_event(true).with_writer(std::io::stderr))
                .try_init()?,
        }
        Ok(Self(PrometheusBuilder::new().install_recorder()?))
    }

    /// All metrics as they stand.
    #[must_use]
    pub fn render(&self) -> String {
        // Without a listener of its own the exporter has to be told to drain its histograms.
        self.0.run_upkeep();
        self.0.render()
    }
}
