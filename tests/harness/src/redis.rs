use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::Duration,
};

use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::{Authority, Issued, Process, eventually, unused_address};

/// Where a redis-server listens.
#[derive(Debug, Clone)]
pub enum RedisAddress {
    /// At an address.
    Tcp(SocketAddr),
    /// At a socket in the file system.
    Socket(PathBuf),
}

/// A redis-server with an append-only file, whose data outlives its crashes.
pub struct RedisServer {
    at: RedisAddress,
    /// Where it listens with TLS, if it does.
    tls: Option<SocketAddr>,
    data: PathBuf,
    fsync: String,
    process: Process,
    /// The folder of the data, if it goes with the server.
    _own: Option<TempDir>,
}

impl RedisServer {
    /// Starts an empty one with fsync at every write.
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
        let folder = TempDir::new().expect("a folder for the data");
        let data = folder.path().to_owned();
        Self::open(
            RedisAddress::Tcp(unused_address()),
            data,
            "always",
            options,
            Some(folder),
        )
        .await
    }

    /// Starts an empty one that listens with TLS as well, with some options more. Its URL is that of TLS; operators of the
    /// tests come without.
    ///
    /// # Panics
    /// As [`RedisServer::start`].
    pub async fn start_tls(authority: &Authority, shown: &Issued, options: &[&str]) -> Self {
        let address = unused_address();
        let (port, ca) = (address.port().to_string(), authority.ca_setting());
        let (certificate, key) = (shown.certificate.display().to_string(), shown.key.display().to_string());
        let tls = [
            ["--tls-port", &port],
            ["--tls-ca-cert-file", &ca],
            ["--tls-cert-file", &certificate],
            ["--tls-key-file", &key],
        ];
        let mut server = Self::start_with(&[tls.as_flattened(), options].concat()).await;
        server.tls = Some(address);
        server
    }

    /// Where it listens with TLS.
    ///
    /// # Panics
    /// If it does not.
    #[must_use]
    pub fn tls_address(&self) -> SocketAddr {
        self.tls.expect("a server with TLS")
    }

    /// Starts one on a folder, which it makes, at a socket in there. `fsync` is always or everysec.
    ///
    /// # Panics
    /// As [`RedisServer::start`].
    pub async fn start_in(folder: &Path, fsync: &str, options: &[&str]) -> Self {
        std::fs::create_dir_all(folder).expect("a folder for the data");
        let at = RedisAddress::Socket(folder.join("redis.sock"));
        Self::open(at, folder.to_owned(), fsync, options, None).await
    }

    async fn open(at: RedisAddress, data: PathBuf, fsync: &str, options: &[&str], own: Option<TempDir>) -> Self {
        let server = Self {
            process: spawn(&at, &data, fsync, options),
            at,
            tls: None,
            data,
            fsync: fsync.to_owned(),
            _own: own,
        };
        server.ready().await;
        server
    }

    /// Starts it again on its data after [`RedisServer::kill`].
    pub async fn start_again(&mut self) {
        self.process = spawn(&self.at, &self.data, &self.fsync, &[]);
        self.ready().await;
    }

    /// Starts it again on its data so slowly that it answers LOADING for about this time, and does not wait for the
    /// end of it.
    pub async fn start_loading(&mut self, about: Duration) {
        // Redis sleeps that many microseconds a record; a record takes about a hundred bytes of the file.
        let records = (self.appended_bytes() / 100).max(1);
        let delay = about.as_micros() / u128::from(records);
        let delay = delay.max(1).to_string();
        self.process = spawn(&self.at, &self.data, &self.fsync, &["--key-load-delay", &delay]);
        let address = self.address();
        eventually("redis-server listens", async || TcpStream::connect(address).await.ok()).await;
    }

    /// How large its append-only file is.
    ///
    /// # Panics
    /// If it cannot be read.
    #[must_use]
    pub fn appended_bytes(&self) -> u64 {
        let folder = std::fs::read_dir(self.data.join("appendonlydir")).expect("the append-only files");
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
        let inside = self.data.join(name).join("inside");
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
    ///
    /// # Panics
    /// If it listens at a socket.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        match self.at {
            RedisAddress::Tcp(address) => address,
            RedisAddress::Socket(_) => unreachable!("it listens at a socket"),
        }
    }

    /// Its address as the services take it.
    #[must_use]
    pub fn url(&self) -> String {
        self.tls
            .map_or_else(|| self.at.url(), |address| format!("rediss://{address}"))
    }

    /// Where it listens, however that is.
    #[must_use]
    pub fn at(&self) -> &RedisAddress {
        &self.at
    }

    /// Runs one command of an operator, given as words, and returns what redis-cli prints.
    ///
    /// # Panics
    /// If Redis refuses it.
    pub async fn run(&self, words: &[&str]) -> String {
        self.at.run(words).await
    }

    /// Runs one command of an operator who knows the password.
    ///
    /// # Panics
    /// If Redis refuses it.
    pub async fn run_as(&self, password: &str, words: &[&str]) -> String {
        self.at.run_with(&["--no-auth-warning", "-a", password], words).await
    }

    /// A server that loads its data says so instead of PONG, and redis-cli fails.
    async fn ready(&self) {
        eventually("redis-server answers", async || {
            let ping = self.at.cli().arg("PING").output().await.ok()?;
            // One that wants a password answers, too.
            let wants_password = [ping.stdout, ping.stderr].concat().starts_with(b"NOAUTH");
            (ping.status.success() || wants_password).then_some(())
        })
        .await;
    }
}

impl RedisAddress {
    /// As the services take it.
    #[must_use]
    pub fn url(&self) -> String {
        match self {
            Self::Tcp(address) => format!("redis://{address}"),
            Self::Socket(path) => format!("redis+unix://{}", path.display()),
        }
    }

    /// As [`RedisServer::run`].
    ///
    /// # Panics
    /// If Redis refuses it.
    pub async fn run(&self, words: &[&str]) -> String {
        self.run_with(&[], words).await
    }

    fn cli(&self) -> tokio::process::Command {
        let mut cli = tokio::process::Command::new("redis-cli");
        cli.arg("-e");
        match self {
            Self::Tcp(address) => cli
                .args(["-h", &address.ip().to_string()])
                .args(["-p", &address.port().to_string()]),
            Self::Socket(path) => cli.arg("-s").arg(path),
        };
        cli
    }

    async fn run_with(&self, options: &[&str], words: &[&str]) -> String {
        eventually("redis-server has loaded its data", async || {
            let printed = self
                .cli()
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
}

fn spawn(at: &RedisAddress, data: &Path, fsync: &str, more: &[&str]) -> Process {
    // A write past a limit on the file's size is an error to it then, as on a full disk, and no signal.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec redis-server \"$@\"", "redis-server"]);
    match at {
        RedisAddress::Tcp(address) => command
            .args(["--bind", &address.ip().to_string()])
            .args(["--port", &address.port().to_string()]),
        RedisAddress::Socket(path) => command.args(["--port", "0", "--unixsocket"]).arg(path),
    };
    command
        .args(["--appendonly", "yes", "--appendfsync", fsync, "--save", ""])
        .arg("--dir")
        .arg(data)
        .args(["--enable-debug-command", "yes", "--enable-protected-configs", "yes"])
        .args(more);
    Process::spawn("redis-server", &mut command)
}
