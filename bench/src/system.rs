//! The systems under test: Holdfast in its compositions, on fresh data and free ports.

use std::{any::Any, collections::BTreeMap, fmt, net::SocketAddr, process::Command};

use clap::ValueEnum;
use domain::ServiceName;
use harness::{Deployment, RedisAddress, RedisServer, Service, Setup, Standalone, binary, unused_address};
use serde::Serialize;
use tempfile::TempDir;

use crate::{
    process::{Kind, Usage},
    redis::Counters,
};

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
pub(crate) struct System {
    pub(crate) addresses: Addresses,
    /// Where each process tells its metrics.
    pub(crate) metrics: Vec<SocketAddr>,
    /// Where each service's store is.
    pub(crate) stores: BTreeMap<ServiceName, RedisAddress>,
    /// Where the bus is.
    pub(crate) bus: RedisAddress,
    processes: Vec<(Kind, u32)>,
    /// Ends the processes, and then their data.
    _running: Box<dyn Any>,
}

/// How a system is set.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// How soon a change is on disk.
    pub(crate) fsync: String,
    /// Settings of the services that are not the defaults: environment variables.
    pub(crate) variables: Vec<(String, String)>,
}

impl System {
    /// Starts a system and waits until it is ready.
    ///
    /// # Panics
    /// A part of it does not start or does not get ready.
    pub(crate) async fn start(composition: Composition, settings: &Settings) -> Self {
        match composition {
            Composition::Standalone => Self::standalone(settings).await,
            Composition::Separate => Self::processes(settings, 1).await,
            Composition::Replicas => Self::processes(settings, 3).await,
        }
    }

    async fn standalone(settings: &Settings) -> Self {
        let data = TempDir::new().expect("a folder for the data");
        let address = unused_address();
        let mut command = Command::new(binary("standalone"));
        command
            .args(["--listen", &address.to_string(), "--fsync", &settings.fsync])
            .arg("--data")
            .arg(data.path())
            .env("RUST_LOG", "warn")
            .envs(settings.variables.iter().cloned());
        let standalone = Standalone::run(address, data, &mut command).await;
        let store = |service: &ServiceName| (*service, standalone.store(service.as_str()));
        Self {
            addresses: Addresses::one(address),
            metrics: vec![address],
            stores: ServiceName::ALL.iter().map(store).collect(),
            bus: standalone.store("bus"),
            processes: vec![(Kind::Standalone, standalone.process.pid())],
            _running: Box::new(standalone),
        }
    }

    async fn processes(settings: &Settings, replicas: usize) -> Self {
        let data = TempDir::new().expect("a folder for the data");
        let redis = async |name: &str| RedisServer::start_in(&data.path().join(name), &settings.fsync, &[]).await;
        let bus = redis("bus").await;
        let setup = Setup {
            replicas,
            settings: [("RUST_LOG", "warn".to_owned()), ("BUS_URL", bus.url())]
                .into_iter()
                // A name is needed for as long as a process may be started again.
                .chain(
                    settings
                        .variables
                        .iter()
                        .map(|(name, value)| (&*name.clone().leak(), value.clone())),
                )
                .collect(),
            ..Setup::plain()
        };
        let (stock, payment, order) = (redis("stock").await, redis("payment").await, redis("order").await);
        let deployment = Deployment::start_on(setup, stock, payment, order).await;
        let services = || {
            let kinds = [
                (Kind::Order, &deployment.order),
                (Kind::Stock, &deployment.stock),
                (Kind::Payment, &deployment.payment),
            ];
            kinds
                .into_iter()
                .flat_map(|(kind, services)| services.iter().map(move |service: &Service| (kind, service)))
        };
        Self {
            addresses: Addresses {
                order: deployment.order.iter().map(|service| service.public).collect(),
                stock: deployment.stock[0].public,
                payment: deployment.payment[0].public,
            },
            metrics: services().map(|(_, service)| service.public).collect(),
            stores: BTreeMap::from([
                (ServiceName::Order, deployment.order_redis.at().clone()),
                (ServiceName::Stock, deployment.stock_redis.at().clone()),
                (ServiceName::Payment, deployment.payment_redis.at().clone()),
            ]),
            processes: services().map(|(kind, service)| (kind, service.pid())).collect(),
            bus: bus.at().clone(),
            _running: Box::new((deployment, bus, data)),
        }
    }

    /// What each process has used so far.
    ///
    /// # Errors
    /// One has ended, or this is not Linux.
    pub(crate) async fn usage(&self) -> anyhow::Result<Vec<Usage>> {
        let mut used = Vec::new();
        for (kind, pid) in &self.processes {
            used.push(Usage::read(*kind, *pid)?);
        }
        for store in self.stores.values() {
            used.push(Usage::read(Kind::Redis, Counters::read(store).await?.pid)?);
        }
        used.push(Usage::read(Kind::Bus, Counters::read(&self.bus).await?.pid)?);
        Ok(used)
    }

    /// The services' processes.
    pub(crate) fn services(&self) -> &[(Kind, u32)] {
        &self.processes
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
