//! The system under test: a standalone of its own, on fresh data and a free port.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use serde::Serialize;
use tempfile::TempDir;

use crate::connection::Connection;

const READY_PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);
/// The unit of processor times in `/proc/<pid>/stat`, which Linux fixes for programs at 1/100 s (`USER_HZ`,
/// see proc(5)).
const TICK: Duration = Duration::from_millis(10);

/// A running standalone. It ends with the value, and its data with it.
pub(crate) struct System {
    /// Where it serves.
    pub(crate) address: SocketAddr,
    process: Child,
    _data: TempDir,
}

/// How much processor time the system has used since it was started.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct ProcessorTime {
    /// The three services.
    pub(crate) services: Duration,
    /// Their redis-servers.
    pub(crate) redis: Duration,
}

impl System {
    /// Starts standalone and waits until it is ready.
    ///
    /// # Errors
    /// Where it does not start or does not get ready.
    pub(crate) async fn start(standalone: &Path, fsync: &str) -> anyhow::Result<Self> {
        let data = TempDir::new().context("no folder for the data")?;
        let address = free_address()?;
        let process = Command::new(standalone)
            .arg("--listen")
            .arg(address.to_string())
            .arg("--data")
            .arg(data.path())
            .args(["--fsync", fsync])
            .stdin(Stdio::null())
            .env("RUST_LOG", "warn")
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("{} cannot be started", standalone.display()))?;
        let mut system = Self {
            address,
            process,
            _data: data,
        };
        system.ready().await?;
        Ok(system)
    }

    async fn ready(&mut self) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait()? {
                bail!("standalone ended at once ({status})");
            }
            if let Ok(mut connection) = Connection::open(self.address).await
                && connection.get("/health/ready").await?.status.is_success()
            {
                return Ok(());
            }
            ensure!(started.elapsed() < READY_PATIENCE, "standalone does not get ready");
            tokio::time::sleep(POLL).await;
        }
    }

    /// The processor time used so far, from the operating system's own accounting.
    ///
    /// # Errors
    /// Where this is not Linux.
    pub(crate) fn processor_time(&self) -> anyhow::Result<ProcessorTime> {
        let pid = self.process.id();
        let mut redis = Duration::ZERO;
        // A child is listed with the thread that started it.
        for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
            let children = fs::read_to_string(thread?.path().join("children")).unwrap_or_default();
            for child in children.split_whitespace() {
                redis += processor_time(child)?;
            }
        }
        Ok(ProcessorTime {
            services: processor_time(&pid.to_string())?,
            redis,
        })
    }
}

impl ProcessorTime {
    /// What was used after `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            services: self.services.saturating_sub(earlier.services),
            redis: self.redis.saturating_sub(earlier.redis),
        }
    }
}

impl Drop for System {
    /// Ends standalone in the way that lets it end its redis-servers before their folder goes.
    fn drop(&mut self) {
        let pid = self.process.id().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status();
        if !told.is_ok_and(|status| status.success()) {
            // It may have ended by itself.
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

/// User and system time of one process: fields 14 and 15 of its stat, counted after the name, which may
/// contain anything.
fn processor_time(pid: &str) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, after_name) = stat.rsplit_once(')').context("no name in stat")?;
    let mut fields = after_name.split_whitespace().skip(11);
    let mut ticks = || -> anyhow::Result<u32> { Ok(fields.next().context("too few fields in stat")?.parse()?) };
    Ok(TICK * (ticks()? + ticks()?))
}

/// A loopback port that nobody listens on now.
fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?)
}
