//! One redis-server: started, waited for, started again, ended.

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use anyhow::{bail, ensure};
use domain::Backoff;
use process::Trouble;
use tokio::{
    process::Child,
    time::{Instant, sleep, timeout},
};

use super::{
    folder,
    log::Log,
    program::{self, Fsync, spawn},
    talk::{PingAnswer, ask, loading_progress, ping},
};

/// How long a server may say nothing at all while it starts. One that says that it loads its data is waited for.
const SILENCE_PATIENCE: Duration = Duration::from_secs(120);
/// How often a server that loads its data is asked how far it is.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(3);
/// How long a server may take to end, unless it waits for its disk.
const STOP_PATIENCE: Duration = Duration::from_secs(3);
/// How long a server that waits for its disk may take to end.
const WRITE_PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);
/// How long a server that has died is left alone before it is started again.
const RESTARTS: Backoff = Backoff {
    min: Duration::from_millis(400),
    max: Duration::from_secs(20),
};
/// A server that has run for so long has recovered: the next pause is short again.
const STEADY: Duration = Duration::from_secs(60);

/// One redis-server with its data.
pub(super) struct RedisServer {
    /// Whose it is: a service's, or the bus.
    name: &'static str,
    program: PathBuf,
    folder: PathBuf,
    fsync: Fsync,
    child: Child,
    log: Log,
    /// Before it has loaded its data, it has nothing to write.
    loaded: bool,
}

impl RedisServer {
    /// Starts the server called `name` on its folder below `data`, after one that an earlier standalone may
    /// have left behind has ended. It answers once it has [`loaded`](Self::loaded).
    pub(super) async fn start(name: &'static str, program: &Path, data: &Path, fsync: Fsync) -> anyhow::Result<Self> {
        let folder = data.join(name);
        folder::make_folder(&folder)?;
        folder::check_socket_path(&folder)?;
        folder::end_leftover(&folder).await?;
        let (child, log) = spawn(program, &folder, fsync)?;
        Ok(Self {
            name,
            program: program.to_owned(),
            folder,
            fsync,
            child,
            log,
            loaded: false,
        })
    }

    /// Its address as the services take it.
    pub(super) fn url(&self) -> String {
        format!("redis+unix://{}", folder::socket(&self.folder).display())
    }

    /// Waits until the server has loaded its data, however long that takes, and says how far it is.
    pub(super) async fn loaded(&mut self) -> anyhow::Result<()> {
        self.loaded_unless_silent(SILENCE_PATIENCE).await
    }

    async fn loaded_unless_silent(&mut self, patience: Duration) -> anyhow::Result<()> {
        let socket = folder::socket(&self.folder);
        let mut heard = Instant::now();
        let mut told = Instant::now();
        loop {
            match ping(&socket).await {
                PingAnswer::Ready => break,
                PingAnswer::Loading => heard = Instant::now(),
                PingAnswer::Nothing => {}
            }
            if let Some(status) = self.child.try_wait()? {
                self.log.finished().await;
                bail!(
                    "the redis-server for {} ended at once ({status}):\n{}",
                    self.name,
                    self.log.end()
                );
            }
            ensure!(
                heard.elapsed() < patience,
                "the redis-server for {} says nothing",
                self.name
            );
            if told.elapsed() >= PROGRESS_INTERVAL {
                told = Instant::now();
                if let Some(progress) = loading_progress(&socket).await {
                    tracing::info!(server = self.name, "redis-server loads its data: {progress}");
                }
            }
            sleep(POLL).await;
        }
        self.loaded = true;
        Ok(())
    }

    /// Whose it is.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Starts the server again whenever it dies, after a pause that grows while it keeps dying, and keeps in
    /// `trouble` why it is away. Never returns.
    pub(super) async fn supervise(&mut self, trouble: &Trouble) {
        let mut attempt = 0;
        loop {
            let started = Instant::now();
            let ended = self.ended(trouble).await;
            let ended = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
            self.log.finished().await;
            if started.elapsed() > STEADY {
                attempt = 0;
            }
            let reason = self.log.last_line();
            trouble.tell(self.name, format!("redis-server has ended ({ended}): {reason}"));
            tracing::error!(server = self.name, ended, reason, "redis-server has ended");
            self.start_again(trouble, &mut attempt).await;
        }
    }

    async fn start_again(&mut self, trouble: &Trouble, attempt: &mut u32) {
        self.loaded = false;
        loop {
            let pause = RESTARTS.wait(*attempt);
            *attempt += 1;
            sleep(pause).await;
            tracing::warn!(server = self.name, attempt, ?pause, "starting redis-server again");
            match spawn(&self.program, &self.folder, self.fsync) {
                Ok((child, log)) => {
                    (self.child, self.log) = (child, log);
                    return;
                }
                Err(error) => {
                    tracing::error!(server = self.name, %error, "redis-server does not start");
                    trouble.tell(self.name, error.to_string());
                }
            }
        }
    }

    /// Waits for the server's end. Once it answers, what was wrong with it is over.
    async fn ended(&mut self, trouble: &Trouble) -> io::Result<ExitStatus> {
        let socket = folder::socket(&self.folder);
        let (loaded, child) = (&mut self.loaded, &mut self.child);
        let answers = async {
            while !*loaded {
                *loaded = ping(&socket).await == PingAnswer::Ready;
                sleep(POLL).await;
            }
            trouble.is_over(self.name);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            ended = child.wait() => ended,
            () = answers => child.wait().await,
        }
    }

    /// Lets the server write what it has and end.
    pub(super) async fn stop(mut self) {
        // What it has not loaded it cannot have changed.
        if self.loaded && !self.ends_when_told().await {
            tracing::error!(server = self.name, "redis-server does not stop; ending it");
        }
        // It may have ended by itself.
        let _ = self.child.kill().await;
    }

    async fn ends_when_told(&mut self) -> bool {
        let socket = folder::socket(&self.folder);
        let told = async {
            // A server that no longer listens is about to end, or has.
            let _ = ask(&socket, "SHUTDOWN").await;
            self.child.wait().await
        };
        if timeout(STOP_PATIENCE, told).await.is_ok() {
            return true;
        }
        let started = Instant::now();
        while self.child.id().is_some_and(program::waits_for_its_disk) && started.elapsed() < WRITE_PATIENCE {
            if timeout(STOP_PATIENCE, self.child.wait()).await.is_ok() {
                return true;
            }
        }
        matches!(self.child.try_wait(), Ok(Some(_)))
    }
}

#[cfg(test)]
mod tests {
    use std::{process::Stdio, sync::Arc};

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::UnixListener,
        process::Command,
    };

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(200);

    /// A server of which nothing is real but its process.
    fn server(folder: &Path) -> RedisServer {
        let mut command = Command::new("sleep");
        command.arg("60").stdin(Stdio::null()).kill_on_drop(true);
        RedisServer {
            name: "stock",
            program: "redis-server".into(),
            folder: folder.to_owned(),
            fsync: Fsync::Always,
            child: command.spawn().expect("a process"),
            log: Log::follow(&folder.join("redis.log"), None, None),
            loaded: false,
        }
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("holdfast-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        folder
    }

    #[tokio::test]
    async fn a_server_is_waited_for_as_long_as_it_says_that_it_loads() {
        let folder = folder("loads");
        let _ = std::fs::remove_file(folder::socket(&folder));
        let listener = UnixListener::bind(folder::socket(&folder)).expect("a socket");
        let started = Arc::new(Instant::now());
        let begun = started.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let loads = begun.elapsed() < 5 * PATIENCE;
                let answer = if loads { "-LOADING\r\n" } else { "+PONG\r\n" };
                let _ = stream.read(&mut [0; 64]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        let mut server = server(&folder);
        server.loaded_unless_silent(PATIENCE).await.expect("it loads");
        assert!(server.loaded && started.elapsed() >= 5 * PATIENCE);
        std::fs::remove_dir_all(folder).expect("the folder");
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_is_given_up() {
        let folder = folder("silent");
        let said = server(&folder).loaded_unless_silent(PATIENCE).await;
        assert!(said.expect_err("silence").to_string().contains("says nothing"));
        std::fs::remove_dir_all(folder).expect("the folder");
    }
}
