//! The systems under test: Holdfast in its compositions, on fresh data and free ports.

use std::{
    fmt, fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use clap::ValueEnum;
use serde::Serialize;
use tempfile::TempDir;

use crate::{
    connection::Connection,
    process::{Kind, Process, Usage, resident},
};

const READY_PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);
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
    /// Where each process tells its metrics.
    pub(crate) metrics: Vec<SocketAddr>,
    services: Vec<Process>,
    redis: Vec<Process>,
    data: TempDir,
}

/// The services, by the names of their data's folders.
pub(crate) const SERVICES: [&str; 3] = ["order", "stock", "payment"];

/// Where the programs under test are, and how they are set.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    pub(crate) folder: PathBuf,
    /// How soon a change is on disk.
    pub(crate) fsync: String,
    /// Settings of the services that are not the defaults: environment variables.
    pub(crate) settings: Vec<(String, String)>,
}

impl System {
    /// Starts a system and waits until it is ready.
    ///
    /// # Errors
    /// If a part of it does not start or does not get ready.
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
            .args(["--fsync", &programs.fsync])
            .envs(programs.settings.iter().cloned());
        Ok(Self {
            addresses: Addresses::one(address),
            metrics: vec![address],
            services: vec![Process::start(Kind::Standalone, &mut command)?],
            redis: Vec::new(),
            data,
        })
    }

    fn processes(programs: &Programs, replicas: usize) -> anyhow::Result<Self> {
        let data = TempDir::new().context("no folder for the data")?;
        let mut redis = Vec::new();
        let mut services = Vec::new();
        let mut metrics = Vec::new();
        let mut start = |kind: Kind, participants: &[(&str, String)]| {
            let folder = data.path().join(kind.name());
            redis.push(redis_server(&folder, &programs.fsync)?);
            let url = format!("redis+unix://{}", folder.join("redis.sock").display());
            let mut public = Vec::new();
            let mut internal = Vec::new();
            for _ in 0..replicas {
                let (listen, internal_listen) = (free_address()?, free_address()?);
                let mut command = Command::new(programs.folder.join(kind.name()));
                command
                    .env("REDIS_URL", &url)
                    .envs(programs.settings.iter().cloned())
                    .env("LISTEN", listen.to_string())
                    .env("INTERNAL_LISTEN", internal_listen.to_string())
                    .envs(participants.iter().map(|(key, value)| (*key, value)));
                services.push(Process::start(kind, &mut command)?);
                metrics.push(listen);
                public.push(listen);
                internal.push(format!("http://{internal_listen}"));
            }
            anyhow::Ok((public, internal.join(",")))
        };
        let (stock, stock_urls) = start(Kind::Stock, &[])?;
        let (payment, payment_urls) = start(Kind::Payment, &[])?;
        let (order, _) = start(
            Kind::Order,
            &[("STOCK_URLS", stock_urls), ("PAYMENT_URLS", payment_urls)],
        )?;
        let addresses = Addresses {
            order,
            stock: *stock.first().context("no stock")?,
            payment: *payment.first().context("no payment")?,
        };
        Ok(Self {
            addresses,
            metrics,
            services,
            redis,
            data,
        })
    }

    async fn ready(&mut self) -> anyhow::Result<()> {
        for address in &self.metrics {
            let started = Instant::now();
            while !is_ready(*address).await {
                for service in &mut self.services {
                    service.ensure_alive()?;
                }
                ensure!(started.elapsed() < READY_PATIENCE, "{address} does not get ready");
                tokio::time::sleep(POLL).await;
            }
        }
        Ok(())
    }

    /// What each process has used so far.
    ///
    /// # Errors
    /// If this is not Linux.
    pub(crate) fn usage(&self) -> anyhow::Result<Vec<Usage>> {
        let mut used = Vec::new();
        for process in self.services.iter().chain(&self.redis) {
            used.extend(process.usage()?);
        }
        Ok(used)
    }

    /// The resident memory of each process of the services, in bytes.
    ///
    /// # Errors
    /// If one has ended, or this is not Linux.
    pub(crate) fn resident(&self) -> anyhow::Result<Vec<u64>> {
        self.services.iter().map(|service| resident(service.pid())).collect()
    }

    /// The folder of all data, with one for each service.
    pub(crate) fn data(&self) -> &Path {
        self.data.path()
    }

    /// The socket of a service's Redis.
    pub(crate) fn redis_socket(&self, service: &str) -> PathBuf {
        self.data().join(service).join("redis.sock")
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
    Process::start(Kind::Redis, &mut command)
}

async fn is_ready(address: SocketAddr) -> bool {
    let Ok(mut connection) = Connection::open(address).await else {
        return false;
    };
    let answer = connection.get("/health/ready").await;
    answer.is_ok_and(|answer| answer.status.is_success())
}

/// A loopback port that nobody listens on now.
fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?)
}
