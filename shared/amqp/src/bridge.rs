//! The handler that publishes, and the consumer that it runs in.

use std::{collections::HashSet, sync::Mutex, time::Duration};

use bus::{
    Bus, CloudEvent, Topic,
    consumer::{Consumer, ConsumerConfig, Handler, HandlerError},
};
use domain::Backoff;
use metrics::counter;
use tokio_util::sync::CancellationToken;

use crate::{
    AmqpUrl,
    broker::{Broker, BrokerError, Taken},
    message::properties,
    routing::{Exchange, Route, routes},
};

/// How long one event may take. Connecting and two messages end by themselves well before: what hangs counts against the
/// event, and a broker that is away must not.
const HANDLER_TIMEOUT: Duration = Duration::from_secs(20);

/// The waits before an event is tried again. When the broker is back, none waits longer than this.
const AGAIN: Backoff = Backoff {
    min: Duration::from_millis(100),
    max: Duration::from_secs(5),
};

/// Publishes every event that it is given to RabbitMQ.
pub struct Bridge {
    broker: Broker,
    /// What is known to have no queue. Bounded: there are few exchanges and types.
    unroutable: Mutex<HashSet<(Exchange, String)>>,
}

/// The consumer that brings a topic's events to the broker at `url`, for the process of this name, until `stop`.
///
/// Each topic is a group of its own, `amqp-order` and so on: the members of a group share the partitions of all of its
/// topics, and a service's processes bring their own topic alone.
#[must_use]
pub fn consumer(bus: Bus, topic: Topic, url: AmqpUrl, process: &str, stop: CancellationToken) -> Consumer<Bridge> {
    let config = ConsumerConfig {
        handler_timeout: HANDLER_TIMEOUT,
        backoff: AGAIN,
        ..ConsumerConfig::new(format!("amqp-{topic}"), process, [topic])
    };
    let bridge = Bridge::new(url, format!("holdfast {topic} {process}"), stop);
    Consumer::new(bus, config, bridge)
}

impl Bridge {
    /// A bridge to the broker at `url`, where its connection has this name, until `stop`. Waits for nothing.
    #[must_use]
    pub fn new(url: AmqpUrl, name: String, stop: CancellationToken) -> Self {
        Self {
            broker: Broker::new(url, name, stop),
            unroutable: Mutex::default(),
        }
    }

    async fn publish(&self, route: Route<'_>, event: &CloudEvent) -> Result<(), BrokerError> {
        let labels = [("exchange", route.exchange.name())];
        counter!("holdfast_amqp_published_total", &labels).increment(1);
        let taken = self
            .broker
            .publish(route, event.data.get().as_bytes(), properties(event))
            .await;
        let taken = taken.inspect_err(|_| counter!("holdfast_amqp_failures_total", &labels).increment(1))?;
        counter!("holdfast_amqp_confirmed_total", &labels).increment(1);
        if taken == Taken::Unroutable {
            counter!("holdfast_amqp_unroutable_total", &labels).increment(1);
            self.tell_once(route);
        }
        Ok(())
    }

    /// An exchange that nobody has bound a queue to is no failure of the event's: it would be tried for ever.
    fn tell_once(&self, route: Route<'_>) {
        let Ok(mut known) = self.unroutable.lock() else { return };
        if known.insert((route.exchange, route.key.to_owned())) {
            let (exchange, key) = (route.exchange.name(), route.key);
            tracing::warn!(
                exchange,
                key,
                "no queue of RabbitMQ takes these events; they are counted and go on"
            );
        }
    }
}

impl Handler for Bridge {
    /// Returns once the broker has the event in every exchange that it goes to. A second try publishes to all of them
    /// again.
    async fn handle(&self, event: &CloudEvent) -> Result<(), HandlerError> {
        for route in routes(&event.r#type) {
            let published = self.publish(route, event).await;
            published.map_err(|cause| HandlerError::Unavailable(cause.to_string()))?;
        }
        Ok(())
    }
}
