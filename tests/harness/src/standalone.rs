use std::{net::SocketAddr, path::Path, process::Command};

use reqwest::Method;
use tempfile::TempDir;

use crate::{Client, Process, RedisAddress, binary, eventually, unused_address};

/// All services in one process, with redis-servers of their own.
pub struct Standalone {
    /// Where it serves.
    pub address: SocketAddr,
    /// Where its data is.
    pub data: TempDir,
    /// The running process.
    pub process: Process,
    scheme: &'static str,
}

impl Standalone {
    /// The command that starts one, with short times, so that recovery is seen within a second.
    #[must_use]
    pub fn command(address: SocketAddr, data: &Path) -> Command {
        let mut command = Command::new(binary("standalone"));
        command
            .args([
                "--listen",
                &address.to_string(),
                "--lease-ms",
                "1000",
                "--call-timeout-ms",
                "1000",
                "--recovery-interval-ms",
                "50",
                "--data",
            ])
            .arg(data)
            .env_remove("RUST_BACKTRACE");
        command
    }

    /// Starts one and waits until it is ready.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start() -> Self {
        let address = unused_address();
        let data = TempDir::new().expect("a folder for the data");
        let mut command = Self::command(address, data.path());
        Self::run(address, data, &mut command).await
    }

    /// Starts one by a command with settings of its own.
    pub async fn run(address: SocketAddr, data: TempDir, command: &mut Command) -> Self {
        Self::run_as(address, data, command, "http").await
    }

    /// Starts one by a command whose settings name a certificate.
    pub async fn run_over_tls(address: SocketAddr, data: TempDir, command: &mut Command) -> Self {
        Self::run_as(address, data, command, "https").await
    }

    async fn run_as(address: SocketAddr, data: TempDir, command: &mut Command, scheme: &'static str) -> Self {
        let process = Process::spawn("standalone", command);
        let mut standalone = Self {
            address,
            data,
            process,
            scheme,
        };
        standalone.ready().await;
        standalone
    }

    /// Starts it again on its data, after it was ended.
    pub async fn start_again(&mut self) {
        self.process = Process::spawn("standalone", &mut Self::command(self.address, self.data.path()));
        self.ready().await;
    }

    /// A client of it.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::of_one_origin(&format!("{}://{}", self.scheme, self.address))
    }

    async fn ready(&mut self) {
        let client = self.client();
        eventually("standalone is ready", async || {
            assert!(
                self.process.is_running(),
                "standalone has ended: {}",
                self.process.log()
            );
            let answer = client.try_call(Method::GET, "/health/ready").await.ok()?;
            (answer.status == 200).then_some(())
        })
        .await;
    }

    /// The process ids of its redis-servers, by their titles.
    ///
    /// # Panics
    /// If nobody lists them.
    #[must_use]
    pub fn redis_servers(&self) -> Vec<String> {
        self.redis_servers_in("")
    }

    /// Sends a signal to the redis-server of this service.
    ///
    /// # Panics
    /// If it cannot be sent.
    pub fn signal_store(&self, service: &str, signal: &str) {
        for server in self.redis_servers_in(&format!("/{service}")) {
            let sent = Command::new("kill").args([&format!("-{signal}"), &server]).status();
            assert!(sent.expect("kill runs").success(), "{signal} to {service}");
        }
    }

    /// Where the redis-server of this service listens.
    #[must_use]
    pub fn store(&self, service: &str) -> RedisAddress {
        RedisAddress::Socket(self.data.path().join(service).join("redis.sock"))
    }

    fn redis_servers_in(&self, folder: &str) -> Vec<String> {
        let data = self.data.path().canonicalize().expect("a folder");
        let found = Command::new("pgrep")
            .arg("-f")
            .arg(format!("redis-server.*{}{folder}", data.display()))
            .output();
        let found = String::from_utf8(found.expect("pgrep runs").stdout).expect("numbers");
        found.lines().map(ToOwned::to_owned).collect()
    }
}
