//! The harness: real redis-servers, real service processes, a proxy that misbehaves on request, and a
//! client. Everything that it starts ends with the value that started it.
//!
//! Each test process has a loopback address of its own, made from its process id, so tests that run side
//! by side never meet on a port. (Linux answers on all of 127.0.0.0/8.)

mod auditor;
mod bus_log;
mod client;
mod clock;
mod compose;
mod deployment;
mod growth;
mod increment;
mod listener;
mod process;
mod proxy;
mod rabbitmq;
mod redis;
mod shop;
mod standalone;
pub mod stop;
pub mod tls;
mod validator;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use tokio::time::Instant;

pub use self::{
    auditor::{Audit, Finding},
    bus_log::BusLog,
    client::{Answer, Client},
    clock::{Clock, let_an_hour_pass},
    compose::Compose,
    deployment::{Deployment, Service, Setup},
    growth::broken,
    increment::Increment,
    listener::Listener,
    process::{Process, binary, programs_are_in},
    proxy::{Fault, FaultProxy, Trouble},
    rabbitmq::RabbitMq,
    redis::{RedisAddress, RedisServer},
    shop::{Shop, Tally},
    standalone::Standalone,
    tls::{Authority, Issued},
    validator::Validator,
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

/// What a metric says in the text of `/metrics`, summed over all its labels.
#[must_use]
pub fn measured(metrics: &str, name: &str) -> f64 {
    let lines = metrics.lines().filter_map(|line| line.strip_prefix(name));
    let values = lines.filter(|rest| rest.starts_with(['{', ' ']));
    values
        .filter_map(|rest| rest.trim_end().rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

/// As [`measured`], for a metric that counts.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count is a whole number"
)]
pub fn counted(metrics: &str, counter: &str) -> u64 {
    measured(metrics, counter) as u64
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

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn a_metric_is_summed_over_its_labels_and_no_other_is() {
        let text =
            "# TYPE a_total counter\na_total{lane=\"0\"} 2\na_total{lane=\"1\"} 3\na_total_more 100\na_total 4\n";
        assert_eq!(counted(text, "a_total"), 9);
    }
}
