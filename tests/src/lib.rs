//! The harness: real redis-servers, real service processes, a proxy that misbehaves on request, and a
//! client. Everything that it starts ends with the value that started it.
//!
//! Each test process has a loopback address of its own, made from its process id, so tests that run side
//! by side never meet on a port. (Linux answers on all of 127.0.0.0/8.)

mod auditor;
mod client;
mod clock;
mod compose;
mod deployment;
pub mod faults;
mod increment;
mod process;
mod proxy;
mod redis;
mod shop;
pub mod stop;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use tokio::time::Instant;

pub use self::{
    auditor::{Audit, Finding},
    client::{Answer, Client},
    clock::{Clock, let_an_hour_pass},
    compose::Compose,
    deployment::{Deployment, Service, Setup},
    increment::Increment,
    process::{Process, binary},
    proxy::{Fault, Proxy},
    redis::RedisServer,
    shop::{Shop, Tally},
};

/// How long a condition may take to come true before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// An address that nobody else in any test uses.
pub fn unused_address() -> SocketAddr {
    static NEXT_PORT: AtomicU16 = AtomicU16::new(20_000);
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    // The bit keeps 127.0.0.x free for whoever else is on the machine.
    let address = Ipv4Addr::new(127, high | 0x40, middle, low);
    SocketAddr::new(IpAddr::V4(address), NEXT_PORT.fetch_add(1, Ordering::Relaxed))
}

/// What a counter says in the text of `/metrics`, over all its labels.
#[must_use]
pub fn counted(metrics: &str, counter: &str) -> u64 {
    let lines = metrics.lines().filter_map(|line| line.strip_prefix(counter));
    let values = lines.filter(|rest| rest.starts_with(['{', ' ']));
    values
        .filter_map(|rest| rest.trim_end().rsplit(' ').next()?.parse::<u64>().ok())
        .sum()
}

/// Waits until `condition` gives a value.
///
/// # Panics
/// After [`PATIENCE`], with what was waited for.
pub async fn eventually<T, F>(what: &str, mut condition: F) -> T
where
    F: AsyncFnMut() -> Option<T>,
{
    let started = Instant::now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(started.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
