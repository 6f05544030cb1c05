//! The redis-server that the ways are measured on.

use std::time::Duration;

use anyhow::Context;
use fred::{
    clients::Client,
    interfaces::ClientLike,
    types::config::{Config, ConnectionConfig, PerformanceConfig, ServerConfig},
};
use tempfile::TempDir;

/// A command that takes longer than this fails the benchmark instead of letting it hang.
const COMMAND_PATIENCE: Duration = Duration::from_secs(30);

/// A redis-server with an append-only file, reached through a socket. It and its data end with the value.
pub(crate) struct RedisServer {
    server: harness::RedisServer,
    folder: TempDir,
}

impl RedisServer {
    /// Starts an empty one and waits until it answers. `fsync` is everysec or always.
    ///
    /// # Errors
    /// There is no folder for the data.
    pub(crate) async fn start(fsync: &str) -> anyhow::Result<Self> {
        let folder = TempDir::new().context("no folder for the data")?;
        // A rewrite of the file would hit one way and spare another.
        let no_rewrite = ["--auto-aof-rewrite-percentage", "0"];
        let server = harness::RedisServer::start_in(folder.path(), fsync, &no_rewrite).await;
        Ok(Self { server, folder })
    }

    /// Its address as the engine's store takes it.
    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// A connection of its own, with nothing repeated and no reconnecting: a client that reconnects loses its WATCH in
    /// silence.
    pub(crate) async fn client(&self) -> anyhow::Result<Client> {
        let config = Config {
            server: ServerConfig::new_unix_socket(self.folder.path().join("redis.sock")),
            ..Config::default()
        };
        let performance = PerformanceConfig {
            default_command_timeout: COMMAND_PATIENCE,
            ..PerformanceConfig::default()
        };
        let connection = ConnectionConfig {
            max_command_attempts: 1,
            ..ConnectionConfig::default()
        };
        let client = Client::new(config, Some(performance), Some(connection), None);
        client.init().await?;
        Ok(client)
    }
}
