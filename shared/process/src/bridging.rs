//! The bridge to RabbitMQ beside a service: it brings the service's own topic there.

use std::net::SocketAddr;

use amqp::{AmqpConfig, AmqpUrl};
use bus::{Bus, BusConfig, Topic};
use domain::ServiceName;

use crate::beside::Beside;

/// A broker was named, and no bus that events could come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("AMQP_URL needs BUS_URL: what RabbitMQ is told of comes from the bus")]
pub struct BridgeWithoutBus;

/// Whether events can come to the broker, if one is configured.
///
/// # Errors
/// They cannot.
pub fn check_bridge(amqp: &AmqpConfig, bus: &BusConfig) -> Result<(), BridgeWithoutBus> {
    match (&amqp.amqp_url, &bus.bus_url) {
        (Some(_), None) => Err(BridgeWithoutBus),
        _ => Ok(()),
    }
}

/// The bridges of a process.
pub struct Bridges {
    broker: Option<AmqpUrl>,
    /// The process's name: the same after a restart, so that it goes on at once with what it had begun.
    name: String,
    tasks: Beside,
}

impl Bridges {
    /// None yet, to this broker, for the process that is served at `listen`.
    #[must_use]
    pub fn new(broker: Option<AmqpUrl>, listen: SocketAddr) -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Self {
            broker,
            name: format!("{}-{}-{}", host.trim(), listen.ip(), listen.port()),
            tasks: Beside::new("a bridge to RabbitMQ"),
        }
    }

    /// Begins to publish what a service announces, if there are a bus and a broker.
    pub fn start(&mut self, service: ServiceName, bus: Option<&Bus>) {
        let (Some(bus), Some(url)) = (bus, &self.broker) else {
            return;
        };
        let topic = Topic::of(service);
        let (bus, url, name) = (bus.clone(), url.clone(), &self.name);
        self.tasks
            .start(|stop| amqp::consumer(bus, topic, url, name, stop.clone()).run(stop));
    }

    /// Ends them: what is at the broker is waited for.
    pub async fn finish(self) {
        self.tasks.finish().await;
    }
}
