use std::{
    net::SocketAddr,
    process::{Command, ExitStatus},
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{Process, eventually, unused_address};

/// A redis-server with an append-only file and fsync at every write, whose data outlives its crashes.
pub struct RedisServer {
    address: SocketAddr,
    data: TempDir,
    process: Process,
}

impl RedisServer {
    /// Starts an empty one.
    ///
    /// # Panics
    /// If redis-server is not there or does not start.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts an empty one with some options more, until it is started again.
    ///
    /// # Panics
    /// As [`RedisServer::start`].
    pub async fn start_with(options: &[&str]) -> Self {
        let address = unused_address();
        let data = TempDir::new().expect("a folder for the data");
        let process = spawn_with(address, &data, options);
        let server = Self { address, data, process };
        server.ready().await;
        server
    }

    /// Starts it again on its data after [`RedisServer::kill`].
    pub async fn start_again(&mut self) {
        self.process = spawn(self.address, &self.data);
        self.ready().await;
    }

    /// Starts it again on its data so slowly that it answers LOADING for about this time, and does not wait for the
    /// end of it.
    pub async fn start_loading(&mut self, about: Duration) {
        // Redis sleeps that many microseconds a record; a record takes about a hundred bytes of the file.
        let records = (self.appended_bytes() / 100).max(1);
        let delay = about.as_micros() / u128::from(records);
        self.process = spawn_with(
            self.address,
            &self.data,
            &["--key-load-delay", &delay.max(1).to_string()],
        );
        eventually("redis-server listens", async || {
            TcpStream::connect(self.address).await.ok()
        })
        .await;
    }

    /// How large its append-only file is.
    ///
    /// # Panics
    /// If it cannot be read.
    #[must_use]
    pub fn appended_bytes(&self) -> u64 {
        let folder = std::fs::read_dir(self.data.path().join("appendonlydir")).expect("the append-only files");
        let sizes = folder.map(|file| file.and_then(|file| file.metadata()).expect("a file").len());
        sizes.max().unwrap_or_default()
    }

    /// The operating system's number of the server.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Puts a folder where Redis would write the file of this name.
    ///
    /// # Panics
    /// If it cannot.
    pub fn obstruct(&self, name: &str) {
        let inside = self.data.path().join(name).join("inside");
        std::fs::create_dir_all(inside).expect("a folder");
    }

    /// Ends it at once, as kill -9 does.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Stops it from running, so that it hangs, or lets it go on: STOP, CONT.
    pub fn signal(&self, signal: &str) {
        self.process.signal(signal);
    }

    /// How it has ended, if it is no longer there.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.process.has_ended()
    }

    /// How many bytes it has in use, by its own account: what its `maxmemory` is compared with.
    ///
    /// # Panics
    /// If it does not tell.
    pub async fn used_memory(&self) -> u64 {
        let told = self.run(&["INFO", "memory"]).await;
        let used = told.lines().find_map(|line| line.strip_prefix("used_memory:"));
        used.and_then(|used| used.trim().parse().ok())
            .expect("a number of bytes")
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as the services take it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Runs one command of an operator, given as words, and returns what redis-cli prints.
    ///
    /// # Panics
    /// If Redis refuses it.
    pub async fn run(&self, words: &[&str]) -> String {
        self.run_with(&[], words).await
    }

    /// Runs one command of an operator who knows the password.
    ///
    /// # Panics
    /// If Redis refuses it.
    pub async fn run_as(&self, password: &str, words: &[&str]) -> String {
        self.run_with(&["--no-auth-warning", "-a", password], words).await
    }

    async fn run_with(&self, options: &[&str], words: &[&str]) -> String {
        eventually("redis-server has loaded its data", async || {
            let printed = tokio::process::Command::new("redis-cli")
                .args([
                    "-e",
                    "-h",
                    &self.address.ip().to_string(),
                    "-p",
                    &self.address.port().to_string(),
                ])
                .args(options)
                .args(words)
                .output()
                .await
                .expect("redis-cli runs");
            // A server that was just started again is not to be hurried.
            let loading = printed.stderr.starts_with(b"LOADING");
            assert!(loading || printed.status.success(), "{words:?}: {printed:?}");
            (!loading).then(|| String::from_utf8_lossy(&printed.stdout).trim_end().to_owned())
        })
        .await
    }

    async fn ready(&self) {
        eventually("redis-server answers", async || answers_ping(self.address).await).await;
    }
}

fn spawn(address: SocketAddr, data: &TempDir) -> Process {
    spawn_with(address, data, &[])
}

fn spawn_with(address: SocketAddr, data: &TempDir, more: &[&str]) -> Process {
    // A write past a limit on the file's size is an error to it then, as on a full disk, and no signal.
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' XFSZ; exec redis-server \"$@\"", "redis-server"])
        .args([
            "--bind",
            &address.ip().to_string(),
            "--port",
            &address.port().to_string(),
        ])
        .args(["--appendonly", "yes", "--appendfsync", "always", "--save", ""])
        .arg("--dir")
        .arg(data.path())
        .args(["--enable-debug-command", "yes", "--enable-protected-configs", "yes"])
        .args(more);
    Process::spawn("redis-server", &mut command)
}

/// A server that loads its data says so instead of PONG.
async fn answers_ping(address: SocketAddr) -> Option<()> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(b"PING\r\n").await.ok()?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).await.ok()?;
    (&answer == b"+PONG").then_some(())
}
