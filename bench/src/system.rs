//! The systems under test: Holdfast in its compositions, on fresh data and free ports.

use std::{
    fmt, fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use clap::ValueEnum;
use serde::Serialize;
use tempfile::TempDir;

use crate::connection::Connection;

const READY_PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);
/// The unit of processor times in `/proc/<pid>/stat`, which Linux fixes for programs at 1/100 s (`USER_HZ`,
/// see proc(5)).
const TICK: Duration = Duration::from_millis(10);

/// How Holdfast is put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Composition {
    /// All services in one process.
    Standalone,
    /// One process for each service.
    Separate,
    /// Three processes for each service, on one Redis a service.
    Replicas,
}

/// Where a system serves. Clients take order's addresses in turn.
#[derive(Debug, Clone)]
pub(crate) struct Addresses {
    pub(crate) order: Vec<SocketAddr>,
    pub(crate) stock: SocketAddr,
    pub(crate) payment: SocketAddr,
}

/// A running system. It ends with the value, and its data with it.
///
/// Fields are dropped in this order: the services end before the redis-servers, which they need for it, and the
/// data goes last.
pub(crate) struct System {
    pub(crate) addresses: Addresses,
    services: Vec<Process>,
    redis: Vec<Process>,
    _data: TempDir,
}

/// A program that is ended with the value.
struct Process(Child);

/// How much processor time the system has used since it was started.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct ProcessorTime {
    /// The three services.
    pub(crate) services: Duration,
    /// Their redis-servers.
    pub(crate) redis: Duration,
}

/// Where the programs under test are, and how soon a change is on disk.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    pub(crate) folder: PathBuf,
    pub(crate) fsync: String,
}

impl System {
    /// Starts a system and waits until it is ready.
    ///
    /// # Errors
    /// Where a part of it does not start or does not get ready.
    pub(crate) async fn start(composition: Composition, programs: &Programs) -> anyhow::Result<Self> {
        let mut system = match composition {
            Composition::Standalone => Self::standalone(programs)?,
            Composition::Separate => Self::processes(programs, 1)?,
            Composition::Replicas => Self::processes(programs, 3)?,
        };
        system.ready().await?;
        Ok(system)
    }

    fn standalone(programs: &Programs) -> anyhow::Result<Self> {
        let data = TempDir::new().context("no folder for the data")?;
        let address = free_address()?;
        let mut command = Command::new(programs.folder.join("standalone"));
        command
            .arg("--listen")
            .arg(address.to_string())
            .arg("--data")
            .arg(data.path())
            .args(["--fsync", &programs.fsync]);
        Ok(Self {
            addresses: Addresses::one(address),
            services: vec![Process::start(&mut command)?],
            redis: Vec::new(),
            _data: data,
        })
    }

    fn processes(programs: &Programs, replicas: usize) -> anyhow::Result<Self> {
        let data = TempDir::new().context("no folder for the data")?;
        let mut redis = Vec::new();
        let mut services = Vec::new();
        let mut start = |name: &str, participants: &[(&str, String)]| {
            let folder = data.path().join(name);
            redis.push(redis_server(&folder, &programs.fsync)?);
            let url = format!("redis+unix://{}", folder.join("redis.sock").display());
            let mut public = Vec::new();
            let mut internal = Vec::new();
            for _ in 0..replicas {
                let (listen, internal_listen) = (free_address()?, free_address()?);
                let mut command = Command::new(programs.folder.join(name));
                command
                    .env("REDIS_URL", &url)
                    .env("LISTEN", listen.to_string())
                    .env("INTERNAL_LISTEN", internal_listen.to_string())
                    .envs(participants.iter().map(|(key, value)| (*key, value)));
                services.push(Process::start(&mut command)?);
                public.push(listen);
                internal.push(format!("http://{internal_listen}"));
            }
            anyhow::Ok((public, internal.join(",")))
        };
        let (stock, stock_urls) = start("stock", &[])?;
        let (payment, payment_urls) = start("payment", &[])?;
        let (order, _) = start("order", &[("STOCK_URLS", stock_urls), ("PAYMENT_URLS", payment_urls)])?;
        let addresses = Addresses {
            order,
            stock: *stock.first().context("no stock")?,
            payment: *payment.first().context("no payment")?,
        };
        Ok(Self {
            addresses,
            services,
            redis,
            _data: data,
        })
    }

    async fn ready(&mut self) -> anyhow::Result<()> {
        let addresses = &self.addresses;
        for address in addresses.order.iter().chain([&addresses.stock, &addresses.payment]) {
            let started = Instant::now();
            while !is_ready(*address).await {
                for service in &mut self.services {
                    if let Some(status) = service.0.try_wait()? {
                        bail!("a service ended at once ({status})");
                    }
                }
                ensure!(started.elapsed() < READY_PATIENCE, "{address} does not get ready");
                tokio::time::sleep(POLL).await;
            }
        }
        Ok(())
    }

    /// The processor time used so far, from the operating system's own accounting.
    ///
    /// # Errors
    /// Where this is not Linux.
    pub(crate) fn processor_time(&self) -> anyhow::Result<ProcessorTime> {
        let mut time = ProcessorTime {
            services: Duration::ZERO,
            redis: Duration::ZERO,
        };
        for service in &self.services {
            let pid = service.0.id();
            time.services += processor_time(&pid.to_string())?;
            // standalone's redis-servers. A child is listed with the thread that started it.
            for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
                let children = fs::read_to_string(thread?.path().join("children")).unwrap_or_default();
                for child in children.split_whitespace() {
                    time.redis += processor_time(child)?;
                }
            }
        }
        for redis in &self.redis {
            time.redis += processor_time(&redis.0.id().to_string())?;
        }
        Ok(time)
    }
}

impl Addresses {
    /// All services under one origin.
    pub(crate) fn one(origin: SocketAddr) -> Self {
        Self {
            order: vec![origin],
            stock: origin,
            payment: origin,
        }
    }
}

impl Process {
    fn start(command: &mut Command) -> anyhow::Result<Self> {
        let child = command
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("{} cannot be started", command.get_program().display()))?;
        Ok(Self(child))
    }
}

impl Drop for Process {
    /// Ends the program in the way that lets it end what it has begun.
    fn drop(&mut self) {
        let pid = self.0.id().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status();
        if !told.is_ok_and(|status| status.success()) {
            // It may have ended by itself.
            let _ = self.0.kill();
        }
        let _ = self.0.wait();
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

impl fmt::Display for Composition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Standalone => "standalone",
            Self::Separate => "separate",
            Self::Replicas => "replicas",
        })
    }
}

fn redis_server(folder: &Path, fsync: &str) -> anyhow::Result<Process> {
    fs::create_dir_all(folder)?;
    let mut command = Command::new("redis-server");
    command
        .args([
            "--port",
            "0",
            "--save",
            "",
            "--appendonly",
            "yes",
            "--appendfsync",
            fsync,
        ])
        .arg("--dir")
        .arg(folder)
        .arg("--unixsocket")
        .arg(folder.join("redis.sock"));
    Process::start(&mut command)
}

async fn is_ready(address: SocketAddr) -> bool {
    let Ok(mut connection) = Connection::open(address).await else {
        return false;
    };
    let answer = connection.get("/health/ready").await;
    answer.is_ok_and(|answer| answer.status.is_success())
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
