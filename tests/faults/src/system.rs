//! Real processes with a wire on every connection.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path,
    sync::{
        PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use domain::ServiceName;
use harness::{Audit, Client, Clock, FaultProxy, RedisServer, Service, eventually, let_an_hour_pass};
use tokio::{
    sync::{Mutex, MutexGuard},
    time::timeout,
};

use super::{
    fault::{Link, PARTS, REPLICAS},
    times::{READY_WITHIN, settings},
};

pub(crate) struct Replica {
    pub(crate) service: Mutex<Service>,
    public: FaultProxy,
    internal: FaultProxy,
    redis: FaultProxy,
    clock: Clock,
    /// How far the clock is off, in milliseconds.
    clock_offset: AtomicI64,
}

struct Servers {
    redis: Mutex<RedisServer>,
    redis_url: String,
    redis_address: SocketAddr,
    replicas: Vec<Replica>,
}

/// Two replicas of each service, and a Redis for each service.
pub(crate) struct System {
    parts: BTreeMap<ServiceName, Servers>,
    bus: Mutex<RedisServer>,
    bus_url: String,
    /// What was seen of broken promises while faults were made.
    found: std::sync::Mutex<Vec<String>>,
}

impl System {
    /// Starts everything and waits until it is ready.
    pub(crate) async fn start() -> Self {
        let mut parts = BTreeMap::new();
        let bus = RedisServer::start().await;
        for part in PARTS {
            let urls = |part| internal_urls(&parts, part);
            let mut settings = settings();
            settings.push(("BUS_URL", bus.url()));
            if part == ServiceName::Order {
                settings.push(("STOCK_URLS", urls(ServiceName::Stock)));
                settings.push(("PAYMENT_URLS", urls(ServiceName::Payment)));
            }
            let redis = RedisServer::start().await;
            let mut replicas = Vec::new();
            for _ in 0..REPLICAS {
                replicas.push(Replica::start(part, &redis, settings.clone()).await);
            }
            let servers = Servers {
                redis_url: redis.url(),
                redis_address: redis.address(),
                redis: Mutex::new(redis),
                replicas,
            };
            parts.insert(part, servers);
        }
        let system = Self {
            parts,
            bus_url: bus.url(),
            bus: Mutex::new(bus),
            found: std::sync::Mutex::default(),
        };
        system.ready().await;
        for replica in system.parts.values().flat_map(|servers| &servers.replicas) {
            replica.follows_its_clock().await;
        }
        system
    }

    /// A client over the wires, which takes the replicas in turn.
    #[must_use]
    pub(crate) fn client(&self) -> Client {
        self.client_of(|replicas| replicas.iter().collect())
    }

    /// A client for each number of a replica, over the wires.
    #[must_use]
    pub(crate) fn clients(&self) -> Vec<Client> {
        (0..REPLICAS)
            .map(|number| self.client_of(|replicas| vec![&replicas[number]]))
            .collect()
    }

    fn client_of(&self, choose: impl Fn(&[Replica]) -> Vec<&Replica>) -> Client {
        let origins = |part| {
            choose(&self.parts[&part].replicas)
                .into_iter()
                .map(|replica| format!("http://{}", replica.public.address()))
                .collect()
        };
        Client::new(
            origins(ServiceName::Order),
            origins(ServiceName::Stock),
            origins(ServiceName::Payment),
        )
    }

    /// Notes a promise that was broken.
    pub(crate) fn found(&self, violation: String) {
        self.found
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(violation);
    }

    /// Notes every process that has ended by itself, starts it again, and returns all that was noted.
    pub(crate) async fn restart_ended(&self) -> Vec<String> {
        let mut bus = self.bus().await;
        let ended = bus.has_ended();
        if ended.is_some() {
            self.miss("the bus", ended);
            bus.start_again().await;
        }
        for (part, servers) in &self.parts {
            let mut redis = servers.redis.lock().await;
            let ended = redis.has_ended();
            if ended.is_some() {
                self.miss(&format!("{}'s redis-server", part.as_str()), ended);
                redis.start_again().await;
            }
            for replica in &servers.replicas {
                let mut service = replica.service.lock().await;
                self.miss_service(&mut service);
                if !service.process.is_running() {
                    service.spawn_again();
                }
            }
        }
        std::mem::take(&mut *self.found.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until every process is ready, and fails if one has ended by itself.
    async fn ready(&self) {
        for replica in self.parts.values().flat_map(|servers| &servers.replicas) {
            replica.service.lock().await.ready().await;
        }
    }

    /// Waits until every process is ready, and notes those that do not get so by themselves. They are started again, so
    /// that the rest can be looked at.
    pub(crate) async fn heal(&self) {
        for replica in self.parts.values().flat_map(|servers| &servers.replicas) {
            let mut service = replica.service.lock().await;
            if timeout(READY_WITHIN, service.ready()).await.is_err() {
                let name = service.name();
                self.found(format!("{name} is not ready {READY_WITHIN:?} after the last fault"));
                service.process.kill();
                service.start_again().await;
            }
        }
    }

    /// Lets an hour pass for what is paid, so that order settles it.
    pub(crate) async fn let_an_hour_pass(&self) {
        let_an_hour_pass(&*self.redis(ServiceName::Order).await).await;
    }

    /// Audits the stores.
    pub(crate) async fn audit(&self) -> Audit {
        let url = |part| self.parts[&part].redis_url.as_str();
        Audit::at(
            url(ServiceName::Order),
            url(ServiceName::Stock),
            url(ServiceName::Payment),
            &["--bus-redis", &self.bus_url],
        )
        .await
    }

    /// Writes every process's log into a folder.
    pub(crate) async fn keep_logs(&self, folder: &Path) {
        for (part, servers) in &self.parts {
            for (number, replica) in servers.replicas.iter().enumerate() {
                let log = replica.service.lock().await.logs();
                let path = folder.join(format!("{}-{number}.log", part.as_str()));
                std::fs::write(path, log).expect("a log");
            }
        }
    }

    /// Where order's Redis itself listens.
    pub(crate) fn order_redis(&self) -> SocketAddr {
        self.parts[&ServiceName::Order].redis_address
    }

    pub(crate) fn replica(&self, part: ServiceName, replica: usize) -> &Replica {
        &self.parts[&part].replicas[replica]
    }

    pub(crate) fn bus_url(&self) -> &str {
        &self.bus_url
    }

    pub(crate) async fn bus(&self) -> MutexGuard<'_, RedisServer> {
        self.bus.lock().await
    }

    pub(crate) async fn redis(&self, part: ServiceName) -> MutexGuard<'_, RedisServer> {
        self.parts[&part].redis.lock().await
    }

    pub(crate) fn wire(&self, link: Link) -> &FaultProxy {
        match link {
            Link::Public(part, replica) => &self.replica(part, replica).public,
            Link::Internal(part, replica) => &self.replica(part, replica).internal,
            Link::Redis(part, replica) => &self.replica(part, replica).redis,
        }
    }
}

impl Replica {
    async fn start(part: ServiceName, redis: &RedisServer, mut settings: Vec<(&'static str, String)>) -> Self {
        let clock = Clock::default();
        settings.push(clock.setting());
        let redis = FaultProxy::start(redis.address()).await;
        let service = Service::start(part.as_str(), &format!("redis://{}", redis.address()), settings);
        Self {
            public: FaultProxy::start(service.public).await,
            internal: FaultProxy::start(service.internal).await,
            service: Mutex::new(service),
            redis,
            clock,
            clock_offset: AtomicI64::new(0),
        }
    }

    /// Waits until the service has followed its clock once. One that was built without `clock-faults` never does, and
    /// all faults of clocks would be none.
    async fn follows_its_clock(&self) {
        self.move_clock(1);
        eventually("a service that follows its clock's file", async || {
            let log = self.service.lock().await.process.log();
            log.contains("clock was set off").then_some(())
        })
        .await;
        self.move_clock(-1);
    }

    /// Moves the clock by so many milliseconds from where it is.
    pub(crate) fn move_clock(&self, by: i64) {
        let before = self.clock_offset.fetch_add(by, Ordering::Relaxed);
        self.clock.set_off(before + by);
    }
}

fn internal_urls(parts: &BTreeMap<ServiceName, Servers>, part: ServiceName) -> String {
    let urls: Vec<String> = parts[&part]
        .replicas
        .iter()
        .map(|replica| format!("http://{}", replica.internal.address()))
        .collect();
    urls.join(",")
}
