//! The redis-server that the ways are measured on.

use std::{
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use fred::{
    clients::Client,
    interfaces::ClientLike,
    types::config::{Config, ConnectionConfig, PerformanceConfig, ServerConfig},
};
use tempfile::TempDir;

const READY_PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(5);
/// A command that takes longer than this fails the benchmark instead of letting it hang.
const COMMAND_PATIENCE: Duration = Duration::from_secs(30);

/// A redis-server with an append-only file, reached through a socket. It and its data end with the value.
pub(crate) struct RedisServer {
    child: Child,
    folder: TempDir,
}

impl RedisServer {
    /// Starts an empty one and waits until it listens. `fsync` is everysec or always.
    ///
    /// # Errors
    /// If redis-server is not installed or does not start.
    pub(crate) fn start(fsync: &str) -> anyhow::Result<Self> {
        let folder = TempDir::new().context("no folder for the data")?;
        let child = Command::new("redis-server")
            .args(["--port", "0", "--save", ""])
            .args(["--appendonly", "yes", "--appendfsync", fsync])
            // A rewrite of the file would hit one way and spare another.
            .args(["--auto-aof-rewrite-percentage", "0"])
            .arg("--dir")
            .arg(folder.path())
            .arg("--unixsocket")
            .arg(folder.path().join("redis.sock"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .context("redis-server cannot be started")?;
        let mut server = Self { child, folder };
        server.ready()?;
        Ok(server)
    }

    fn ready(&mut self) -> anyhow::Result<()> {
        let started = Instant::now();
        while UnixStream::connect(self.socket()).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("redis-server ended at once ({status})");
            }
            ensure!(started.elapsed() < READY_PATIENCE, "redis-server does not get ready");
            sleep(POLL);
        }
        Ok(())
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    /// Its address as the engine's store takes it.
    pub(crate) fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    /// A connection of its own, with nothing repeated and no reconnecting: a client that reconnects loses its WATCH in
    /// silence.
    pub(crate) async fn client(&self) -> anyhow::Result<Client> {
        let config = Config {
            server: ServerConfig::new_unix_socket(self.socket()),
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

impl Drop for RedisServer {
    /// Nobody needs the data any more, so it need not be written first.
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
