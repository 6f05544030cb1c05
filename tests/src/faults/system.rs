//! Real processes with a wire on every connection, and how each fault is made.

use std::{collections::BTreeMap, os::unix::process::ExitStatusExt, path::Path, process::Command, time::Duration};

use tokio::{sync::Mutex, time::sleep};

use super::{
    schedule::{Event, Fault, Link, Part, REPLICAS},
    wire::Wire,
};
use crate::{Audit, Client, Clock, RedisServer, deployment::Service, eventually, let_an_hour_pass};

/// Short times, so that much happens within a schedule.
const SETTINGS: [(&str, &str); 7] = [
    ("SAGA_LEASE_MS", "1000"),
    ("SAGA_DEADLINE_MS", "6000"),
    ("RECOVERY_INTERVAL_MS", "100"),
    ("CALL_TIMEOUT_MS", "600"),
    ("CLIENT_PATIENCE_MS", "3000"),
    ("REDIS_TIMEOUT_MS", "400"),
    ("COMMAND_DEADLINE_MS", "1200"),
];

const SIGTERM: i32 = 15;

struct Replica {
    service: Mutex<Service>,
    public: Wire,
    internal: Wire,
    redis: Wire,
    clock: Clock,
}

struct Servers {
    redis: Mutex<RedisServer>,
    redis_url: String,
    replicas: Vec<Replica>,
}

/// Two replicas of each service, and a Redis for each service.
pub(super) struct System {
    parts: BTreeMap<Part, Servers>,
}

impl System {
    /// Starts everything and waits until it is ready.
    pub(super) async fn start() -> Self {
        let mut parts = BTreeMap::new();
        for part in [Part::Stock, Part::Payment, Part::Order] {
            let urls = |part| internal_urls(&parts, part);
            let mut settings: Vec<(&'static str, String)> =
                SETTINGS.map(|(name, value)| (name, value.to_owned())).to_vec();
            if part == Part::Order {
                settings.push(("STOCK_URLS", urls(Part::Stock)));
                settings.push(("PAYMENT_URLS", urls(Part::Payment)));
            }
            let redis = RedisServer::start().await;
            let mut replicas = Vec::new();
            for _ in 0..REPLICAS {
                replicas.push(Replica::start(part, &redis, settings.clone()).await);
            }
            let servers = Servers {
                redis_url: redis.url(),
                redis: Mutex::new(redis),
                replicas,
            };
            parts.insert(part, servers);
        }
        let system = Self { parts };
        system.ready().await;
        system
    }

    /// A client over the wires.
    #[must_use]
    pub(super) fn client(&self) -> Client {
        let origins = |part| {
            self.parts[&part]
                .replicas
                .iter()
                .map(|replica| format!("http://{}", replica.public.address()))
                .collect()
        };
        Client::new(origins(Part::Order), origins(Part::Stock), origins(Part::Payment))
    }

    /// Makes a fault happen, and ends it.
    pub(super) async fn suffer(&self, event: &Event) {
        match event.fault {
            Fault::Kill(part, replica) => {
                let mut service = self.replica(part, replica).service.lock().await;
                service.process.kill();
                sleep(event.stays).await;
                service.spawn_again();
            }
            Fault::Terminate(part, replica) => {
                let mut service = self.replica(part, replica).service.lock().await;
                service.process.signal("TERM");
                eventually("a service ends when it is asked to", async || {
                    (!service.process.is_running()).then_some(())
                })
                .await;
                let ended = service.process.wait();
                // One that was started a moment ago does not listen to signals yet.
                assert!(
                    ended.success() || ended.signal() == Some(SIGTERM),
                    "{} did not end well ({ended}): {}",
                    part.name(),
                    service.process.log()
                );
                sleep(event.stays).await;
                service.spawn_again();
            }
            Fault::Pause(part, replica) => {
                let service = self.replica(part, replica).service.lock().await;
                service.process.signal("STOP");
                sleep(event.stays).await;
                service.process.signal("CONT");
            }
            Fault::Clock(part, replica, offset) => {
                let replica = self.replica(part, replica);
                replica.clock.set_off(offset);
                sleep(event.stays).await;
                replica.clock.set_off(0);
            }
            Fault::Wire(link, trouble) => {
                let wire = self.wire(link);
                wire.set(Some(trouble));
                sleep(event.stays).await;
                wire.set(None);
            }
            Fault::KillRedis(part) => {
                let mut redis = self.redis(part).await;
                redis.kill();
                sleep(event.stays).await;
                redis.start_again().await;
            }
            Fault::PauseRedis(part) => {
                let redis = self.redis(part).await;
                redis.signal("STOP");
                sleep(event.stays).await;
                redis.signal("CONT");
            }
            Fault::ReadOnly(part) => {
                let redis = self.redis(part).await;
                redis.run(&["REPLICAOF", "127.0.0.1", "1"]).await;
                sleep(event.stays).await;
                redis.run(&["REPLICAOF", "NO", "ONE"]).await;
            }
            Fault::OutOfMemory(part) => {
                let redis = self.redis(part).await;
                redis.run(&["CONFIG", "SET", "maxmemory", "1"]).await;
                sleep(event.stays).await;
                redis.run(&["CONFIG", "SET", "maxmemory", "0"]).await;
            }
            Fault::Loading(part) => {
                let mut redis = self.redis(part).await;
                redis.kill();
                redis.start_loading(event.stays).await;
            }
            Fault::FullDisk(part) => full_disk(&mut *self.redis(part).await, event.stays).await,
        }
    }

    /// Waits until every process is ready, and fails where one has ended by itself.
    pub(super) async fn ready(&self) {
        for replica in self.parts.values().flat_map(|servers| &servers.replicas) {
            replica.service.lock().await.ready().await;
        }
    }

    /// Lets an hour pass for what is paid, so that order settles it.
    pub(super) async fn let_an_hour_pass(&self) {
        let_an_hour_pass(&*self.redis(Part::Order).await).await;
    }

    /// Audits the stores.
    pub(super) async fn audit(&self) -> Audit {
        let url = |part| self.parts[&part].redis_url.as_str();
        Audit::at(url(Part::Order), url(Part::Stock), url(Part::Payment), &[]).await
    }

    /// Writes every process's log into a folder.
    pub(super) async fn keep_logs(&self, folder: &Path) {
        for (part, servers) in &self.parts {
            for (number, replica) in servers.replicas.iter().enumerate() {
                let log = replica.service.lock().await.logs();
                let path = folder.join(format!("{}-{number}.log", part.name()));
                std::fs::write(path, log).expect("a log");
            }
        }
    }

    fn replica(&self, part: Part, replica: usize) -> &Replica {
        &self.parts[&part].replicas[replica]
    }

    async fn redis(&self, part: Part) -> tokio::sync::MutexGuard<'_, RedisServer> {
        self.parts[&part].redis.lock().await
    }

    fn wire(&self, link: Link) -> &Wire {
        match link {
            Link::Public(part, replica) => &self.replica(part, replica).public,
            Link::Internal(part, replica) => &self.replica(part, replica).internal,
            Link::Redis(part, replica) => &self.replica(part, replica).redis,
        }
    }
}

impl Replica {
    async fn start(part: Part, redis: &RedisServer, mut settings: Vec<(&'static str, String)>) -> Self {
        let clock = Clock::default();
        settings.push(clock.setting());
        let redis = Wire::start(redis.address()).await;
        let service = Service::start(part.name(), &format!("redis://{}", redis.address()), settings);
        Self {
            public: Wire::start(service.public).await,
            internal: Wire::start(service.internal).await,
            service: Mutex::new(service),
            redis,
            clock,
        }
    }
}

fn internal_urls(parts: &BTreeMap<Part, Servers>, part: Part) -> String {
    let urls: Vec<String> = parts[&part]
        .replicas
        .iter()
        .map(|replica| format!("http://{}", replica.internal.address()))
        .collect();
    urls.join(",")
}

/// Bounds the size of the files that Redis may write. To the server, that is a full disk; to the machine, nothing.
async fn full_disk(redis: &mut RedisServer, stays: Duration) {
    const ROOM: u64 = 4_096;
    let limit = redis.appended_bytes() + ROOM;
    let bounded = Command::new("prlimit")
        .arg(format!("--pid={}", redis.pid()))
        .arg(format!("--fsize={limit}"))
        .status();
    assert!(
        bounded.is_ok_and(|status| status.success()),
        "prlimit of util-linux bounds a file's size"
    );
    sleep(stays).await;
    // With fsync always, Redis ends where it cannot append. It may not have come to that.
    redis.kill();
    redis.start_again().await;
}
