//! How each fault is made, and ended.

use std::{net::SocketAddr, os::unix::process::ExitStatusExt, process::Command, time::Duration};

use domain::ServiceName;
use harness::{RedisServer, Service, eventually};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep},
};

use super::{fault::Fault, schedule::Event, system::System, times::STOPPED_WITHIN};

const SIGTERM: i32 = 15;

impl System {
    /// Makes a fault happen, and ends it. Returns how many open connections it took, if it is a silence.
    pub(crate) async fn suffer(&self, event: &Event) -> usize {
        let stays = event.stays;
        match event.fault {
            Fault::Kill(part, replica) => self.kill(part, replica, stays).await,
            Fault::Terminate(part, replica) => self.terminate(part, replica, stays).await,
            Fault::Pause(part, replica) => {
                let service = self.replica(part, replica).service.lock().await;
                service.process.signal("STOP");
                sleep(stays).await;
                service.process.signal("CONT");
            }
            Fault::Clock(part, replica, offset) => self.set_clock_off(part, replica, offset, stays).await,
            Fault::ClockStep(part, replica, step) => self.set_clock_off(part, replica, step.offset(), stays).await,
            Fault::Wire(link, trouble) => {
                let wire = self.wire(link);
                wire.set(Some(trouble));
                sleep(stays).await;
                wire.set(None);
            }
            Fault::Silence(link) => return self.wire(link).silence(),
            Fault::KillRedis(part)
            | Fault::PauseRedis(part)
            | Fault::ReadOnly(part)
            | Fault::OutOfMemory(part)
            | Fault::NearlyOutOfMemory(part, _)
            | Fault::Loading(part)
            | Fault::FullDisk(part) => {
                let mut redis = self.redis(part).await;
                self.miss(&format!("{}'s redis-server", part.as_str()), redis.has_ended());
                trouble_redis(&mut redis, event).await;
            }
            Fault::KillBus | Fault::PauseBus | Fault::BusOutOfMemory => {
                let mut bus = self.bus().await;
                self.miss("the bus", bus.has_ended());
                trouble_redis(&mut bus, event).await;
            }
        }
        0
    }

    async fn kill(&self, part: ServiceName, replica: usize, stays: Duration) {
        let address = {
            let mut service = self.replica(part, replica).service.lock().await;
            self.miss_service(&mut service);
            service.process.kill();
            sleep(stays).await;
            service.spawn_again();
            service.public
        };
        until_it_listens(address).await;
    }

    async fn terminate(&self, part: ServiceName, replica: usize, stays: Duration) {
        let address = {
            let mut service = self.replica(part, replica).service.lock().await;
            self.miss_service(&mut service);
            self.stop(&mut service).await;
            sleep(stays).await;
            service.spawn_again();
            service.public
        };
        until_it_listens(address).await;
    }

    async fn stop(&self, service: &mut Service) {
        let asked = Instant::now();
        service.process.signal("TERM");
        eventually("a service ends when it is asked to", async || {
            (!service.process.is_running()).then_some(())
        })
        .await;
        let took = asked.elapsed();
        if took > STOPPED_WITHIN {
            self.found(format!("{} took {took:.1?} to end after SIGTERM", service.name()));
        }
        let ended = service.process.wait();
        // One that was started a moment ago does not listen to signals yet.
        if !ended.success() && ended.signal() != Some(SIGTERM) {
            self.found(format!(
                "{} did not end well ({ended}): {}",
                service.name(),
                service.process.log()
            ));
        }
    }

    /// Offsets of faults that overlap add up.
    async fn set_clock_off(&self, part: ServiceName, replica: usize, offset: i64, stays: Duration) {
        let replica = self.replica(part, replica);
        replica.move_clock(offset);
        sleep(stays).await;
        replica.move_clock(-offset);
    }

    /// Notes a service that has ended although nobody has killed it.
    pub(crate) fn miss_service(&self, service: &mut Service) {
        let ended = service.process.has_ended();
        let lost = ended.map(|ended| format!("{ended}: {}", service.process.log_end()));
        self.miss(service.name(), lost);
    }

    /// Notes a process that has ended although nobody has killed it.
    pub(crate) fn miss(&self, name: &str, ended: Option<impl std::fmt::Display>) {
        if let Some(ended) = ended {
            self.found(format!("{name} has ended by itself ({ended})"));
        }
    }
}

/// Waits until a service that was started again takes connections, so that its fault is over. It waits for its Redis
/// first, which other faults may keep from it.
async fn until_it_listens(address: SocketAddr) {
    eventually("a service that was started again listens", async || {
        TcpStream::connect(address).await.ok()
    })
    .await;
}

async fn trouble_redis(redis: &mut RedisServer, event: &Event) {
    let stays = event.stays;
    match event.fault {
        Fault::KillRedis(_) | Fault::KillBus => {
            redis.kill();
            sleep(stays).await;
            redis.start_again().await;
        }
        Fault::PauseRedis(_) | Fault::PauseBus => {
            redis.signal("STOP");
            sleep(stays).await;
            redis.signal("CONT");
        }
        Fault::ReadOnly(_) => {
            redis.run(&["REPLICAOF", "127.0.0.1", "1"]).await;
            sleep(stays).await;
            redis.run(&["REPLICAOF", "NO", "ONE"]).await;
        }
        Fault::OutOfMemory(_) | Fault::BusOutOfMemory => bound_memory(redis, 1, stays).await,
        Fault::NearlyOutOfMemory(_, room) => {
            let most = redis.used_memory().await + room;
            bound_memory(redis, most, stays).await;
        }
        Fault::Loading(_) => {
            redis.kill();
            redis.start_loading(stays).await;
        }
        _ => full_disk(redis, stays).await,
    }
}

async fn bound_memory(redis: &RedisServer, most: u64, stays: Duration) {
    redis.run(&["CONFIG", "SET", "maxmemory", &most.to_string()]).await;
    sleep(stays).await;
    redis.run(&["CONFIG", "SET", "maxmemory", "0"]).await;
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
    // With fsync always, Redis ends if it cannot append. It may not have come to that.
    redis.kill();
    redis.start_again().await;
}
