//! Settings that every service has. Each is an option of the command line and an environment variable.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

use crate::{clock, engine::EngineConfig, store::StoreConfig, telemetry::TelemetryConfig};

/// Where a process is reached from outside.
#[derive(Debug, Clone, Args)]
pub struct ServerConfig {
    /// Where the public calls are served.
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8000")]
    pub listen: SocketAddr,
    /// Allow addresses that other machines can reach. Nothing authenticates callers.
    #[arg(long, env = "ALLOW_REMOTE")]
    pub allow_remote: bool,
    /// How many public calls are served at once. One more is refused at once.
    #[arg(long, env = "MAX_CALLS", default_value_t = 2_048, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_calls: u32,
}

/// The settings of a service that runs as a process of its own.
#[derive(Debug, Clone, Args)]
pub struct ServiceConfig {
    /// Where it is reached from outside.
    #[command(flatten)]
    pub server: ServerConfig,
    /// Its Redis.
    #[command(flatten)]
    pub store: StoreConfig,
    /// The engine's bounds.
    #[command(flatten)]
    pub engine: EngineConfig,
    /// Its log.
    #[command(flatten)]
    pub telemetry: TelemetryConfig,
    /// A file that says by how many milliseconds this process's clock is set off. To rehearse clock faults.
    #[arg(long, env = "CLOCK_OFFSET_FILE", hide = true)]
    pub clock_offset_file: Option<PathBuf>,
    /// Ask the service that runs here whether it is ready, and end: with 0 where it is.
    #[arg(long)]
    pub check_health: bool,
}

impl ServiceConfig {
    /// Follows the clock offset's file, where one is set.
    pub fn rehearse_clock_faults(&self) {
        if let Some(file) = &self.clock_offset_file {
            tokio::spawn(clock::rehearse(file.clone()));
        }
    }
}

/// Where a participant of the saga is reached by the other services.
#[derive(Debug, Clone, Args)]
pub struct InternalConfig {
    /// Where the other services' calls are served. No gateway may route it.
    #[arg(long, env = "INTERNAL_LISTEN", default_value = "127.0.0.1:9000")]
    pub internal_listen: SocketAddr,
}
