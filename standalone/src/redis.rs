//! The standalone's own redis-servers: one a service, reached through a socket that only its owner may
//! open.

use std::{
    fs::{self, DirBuilder, File},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use clap::ValueEnum;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

/// A socket's path is at most 107 bytes long on Linux and 103 on macOS (`sun_path` in unix(7)).
const MAX_SOCKET_PATH: usize = 103;
/// Loading a large append-only file takes its time.
const READY_PATIENCE: Duration = Duration::from_secs(120);
const STOP_PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);
/// How long a server that has died is left alone before it is started again.
const RESTART_PAUSE: Duration = Duration::from_millis(200);

/// How soon a change is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fsync {
    /// Before it is answered: nothing that was answered is ever lost.
    Always,
    /// Within a second: a crash of the machine may lose the last second.
    Everysec,
}

/// One redis-server with its data.
pub(crate) struct RedisServer {
    name: &'static str,
    program: PathBuf,
    data: PathBuf,
    fsync: Fsync,
    child: Child,
}

impl RedisServer {
    /// Starts the server for `name` on its folder below `data`, after one that an earlier standalone may
    /// have left behind has ended, and waits until it has loaded its data.
    pub(crate) async fn start(name: &'static str, program: &Path, data: &Path, fsync: Fsync) -> anyhow::Result<Self> {
        let data = data.join(name);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&data)
            .with_context(|| format!("{} cannot be created", data.display()))?;
        let socket = socket(&data);
        ensure!(
            socket.as_os_str().len() <= MAX_SOCKET_PATH,
            "{} is too long for a socket's path: choose a --data of at most {} bytes",
            socket.display(),
            MAX_SOCKET_PATH - "/payment/redis.sock".len(),
        );
        end_leftover(&data).await?;
        let child = spawn(program, &data, fsync)?;
        let mut server = Self {
            name,
            program: program.to_owned(),
            data,
            fsync,
            child,
        };
        server.ready().await?;
        Ok(server)
    }

    /// Its address as the services take it.
    pub(crate) fn url(&self) -> String {
        format!("redis+unix://{}", socket(&self.data).display())
    }

    /// Starts the server again whenever it dies. Never returns.
    pub(crate) async fn supervise(&mut self) {
        loop {
            let ended = self.child.wait().await;
            tracing::error!(server = self.name, ?ended, "redis-server has ended; starting it again");
            sleep(RESTART_PAUSE).await;
            match spawn(&self.program, &self.data, self.fsync) {
                Ok(child) => self.child = child,
                Err(error) => tracing::error!(server = self.name, %error, "redis-server does not start"),
            }
        }
    }

    /// Lets the server write what it has and end.
    pub(crate) async fn stop(mut self) {
        // A server that no longer listens is about to end, or has.
        let _ = ask(&socket(&self.data), "SHUTDOWN").await;
        if timeout(STOP_PATIENCE, self.child.wait()).await.is_err() {
            tracing::error!(server = self.name, "redis-server does not stop; ending it");
            let _ = self.child.kill().await;
        }
    }

    async fn ready(&mut self) -> anyhow::Result<()> {
        let started = Instant::now();
        while ask(&socket(&self.data), "PING").await.as_deref() != Some("+PONG") {
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "the redis-server for {} ended at once ({status}):\n{}",
                    self.name,
                    self.log_end()
                );
            }
            ensure!(
                started.elapsed() < READY_PATIENCE,
                "the redis-server for {} does not get ready",
                self.name
            );
            sleep(POLL).await;
        }
        Ok(())
    }

    fn log_end(&self) -> String {
        let log = fs::read_to_string(self.data.join("redis.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }
}

/// Keeps a data folder to one standalone. The lock ends with the process, however that ends.
pub(crate) fn lock(data: &Path) -> anyhow::Result<File> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .with_context(|| format!("{} cannot be created", data.display()))?;
    let path = data.join("lock");
    let file = File::create(&path).with_context(|| format!("{} cannot be written", path.display()))?;
    if file.try_lock().is_err() {
        bail!(
            "another standalone runs on {}: stop it, or choose another --data",
            data.display()
        );
    }
    Ok(file)
}

fn socket(data: &Path) -> PathBuf {
    data.join("redis.sock")
}

fn spawn(program: &Path, data: &Path, fsync: Fsync) -> anyhow::Result<Child> {
    let fsync = match fsync {
        Fsync::Always => "always",
        Fsync::Everysec => "everysec",
    };
    let mut command = tied_to_this_process(program);
    command
        .args([
            "--port",
            "0",
            "--unixsocketperm",
            "700",
            "--daemonize",
            "no",
            "--save",
            "",
        ])
        .args([
            "--appendonly",
            "yes",
            "--appendfsync",
            fsync,
            "--maxmemory-policy",
            "noeviction",
        ])
        .arg("--unixsocket")
        .arg(socket(data))
        .arg("--dir")
        .arg(data)
        .arg("--logfile")
        .arg(data.join("redis.log"))
        .arg("--pidfile")
        .arg(data.join("redis.pid"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C goes to the whole process group; the services must stop before their stores do.
        .process_group(0)
        .kill_on_drop(true);
    match command.spawn() {
        Ok(child) => Ok(child),
        Err(error) => bail!("redis-server does not start: {error}"),
    }
}

/// A command that ends when this process dies, where `setpriv` of util-linux is there to arrange it.
///
/// The kernel sends the signal when the *thread* that started the child ends (prctl(2),
/// `PR_SET_PDEATHSIG`), so servers must be started on the main thread: in `main`'s own future.
fn tied_to_this_process(program: &Path) -> Command {
    let setpriv = std::process::Command::new("setpriv")
        .args(["--pdeathsig", "TERM", "true"])
        .status();
    if setpriv.is_ok_and(|status| status.success()) {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

/// Whether the program can be run at all.
pub(crate) fn ensure_installed(program: &Path) -> anyhow::Result<()> {
    let found = std::process::Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    ensure!(
        found.is_ok_and(|status| status.success()),
        "{} cannot be run. `cargo xtask up` installs it; by hand it is `apt-get install redis-server`, \
         `dnf install redis` or `brew install redis`. --redis-server names one in another place.",
        program.display(),
    );
    Ok(())
}

/// Ends a redis-server that a standalone left behind when it was killed. Two on one append-only file would
/// ruin it.
async fn end_leftover(data: &Path) -> anyhow::Result<()> {
    let socket = socket(data);
    if ask(&socket, "PING").await.is_some() {
        tracing::warn!(socket = %socket.display(), "ending a redis-server that was left behind");
        let _ = ask(&socket, "SHUTDOWN").await;
    }
    let started = Instant::now();
    while is_server_of(data) {
        ensure!(
            started.elapsed() < STOP_PATIENCE,
            "a redis-server that was left behind in {} does not end",
            data.display()
        );
        sleep(POLL).await;
    }
    Ok(())
}

/// Whether the process that the pid file names is still the server of this folder: its title has the
/// socket's path.
fn is_server_of(data: &Path) -> bool {
    let Ok(pid) = fs::read_to_string(data.join("redis.pid")) else {
        return false;
    };
    let title = fs::read(format!("/proc/{}/cmdline", pid.trim())).unwrap_or_default();
    let title = String::from_utf8_lossy(&title);
    title.contains("redis-server") && title.contains(&*socket(data).to_string_lossy())
}

/// Sends one word and returns the first line of the answer, where one comes.
async fn ask(socket: &Path, word: &str) -> Option<String> {
    let talk = async {
        let mut stream = UnixStream::connect(socket).await.ok()?;
        stream.write_all(format!("{word}\r\n").as_bytes()).await.ok()?;
        let mut answer = vec![0; 256];
        let length = stream.read(&mut answer).await.ok()?;
        let answer = String::from_utf8_lossy(&answer[..length]);
        answer.lines().next().map(ToOwned::to_owned)
    };
    timeout(STOP_PATIENCE, talk).await.ok()?
}
