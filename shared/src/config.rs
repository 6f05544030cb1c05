//! Settings that every service has. Each is an option of the command line and an environment variable.

use std::{net::SocketAddr, time::Duration};

use clap::Args;

use crate::{engine::EngineConfig, keys::MAX_PARTITIONS, store::StoreConfig, telemetry::TelemetryConfig};

/// How long a starting service waits for its Redis.
pub const STORE_PATIENCE: Duration = Duration::from_secs(60);

/// One service's settings.
#[derive(Debug, Clone, Args)]
pub struct ServiceConfig {
    /// Where the public calls are served.
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8000")]
    pub listen: SocketAddr,
    /// Where the other services' calls are served. No gateway may route it.
    #[arg(long, env = "INTERNAL_LISTEN", default_value = "127.0.0.1:9000")]
    pub internal_listen: SocketAddr,
    /// Allow addresses that other machines can reach. Nothing authenticates callers.
    #[arg(long, env = "ALLOW_REMOTE")]
    pub allow_remote: bool,
    /// The number of key groups. Fixed at a store's first start.
    #[arg(long, env = "PARTITIONS", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_PARTITIONS)))]
    pub partitions: u16,
    /// The service's Redis.
    #[command(flatten)]
    pub store: StoreConfig,
    /// The engine's bounds.
    #[command(flatten)]
    pub engine: EngineConfig,
    /// Logs.
    #[command(flatten)]
    pub telemetry: TelemetryConfig,
}
