//! A reader of RabbitMQ with a durable queue at each exchange.

use std::time::Duration;

use harness::{PATIENCE, RabbitMq};
use lapin::{
    Channel, Connection, ConnectionProperties, ExchangeKind,
    options::{
        BasicAckOptions, BasicGetOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
        QueueDeleteOptions,
    },
    types::FieldTable,
};
use tokio::time::{Instant, sleep};

/// The exchanges, as the bridge declares them, and the keys that their queues are bound with.
const EXCHANGES: [(&str, ExchangeKind, &[&str]); 4] = [
    ("order.exchange", ExchangeKind::Topic, &["order.#"]),
    (
        "inventory.exchange",
        ExchangeKind::Direct,
        &[
            "item.created",
            "item.price_changed",
            "item.stock_changed",
            "item.low",
            "item.sold_out",
            "item.restocked",
        ],
    ),
    (
        "payment.exchange",
        ExchangeKind::Direct,
        &[
            "account.opened",
            "account.credited",
            "account.debited",
            "account.charged",
            "account.refunded",
        ],
    ),
    ("notification.exchange", ExchangeKind::Fanout, &[""]),
];

/// What was in a queue.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) exchange: String,
    pub(crate) key: String,
    pub(crate) id: String,
    pub(crate) content_type: String,
    pub(crate) body: String,
    pub(crate) is_persistent: bool,
    headers: FieldTable,
}

impl Message {
    /// An attribute of the event.
    pub(crate) fn header(&self, attribute: &str) -> String {
        let value = self.headers.inner().get(format!("cloudEvents:{attribute}").as_str());
        let text = value.and_then(|value| value.as_long_string());
        text.expect("the attribute is there").to_string()
    }
}

/// A queue at each exchange, and what was taken out of them.
pub(crate) struct Queues {
    /// The connection keeps the channel.
    link: (Connection, Channel),
    taken: Vec<Message>,
}

impl Queues {
    /// Binds a queue to each exchange, with every key.
    pub(crate) async fn bind(broker: &RabbitMq) -> Self {
        let (connection, channel) = connect(broker).await;
        for (exchange, kind, keys) in EXCHANGES {
            let durable = ExchangeDeclareOptions {
                durable: true,
                ..ExchangeDeclareOptions::default()
            };
            let declared = channel.exchange_declare(exchange.into(), kind, durable, FieldTable::default());
            declared.await.expect("an exchange");
            let durable = QueueDeclareOptions {
                durable: true,
                ..QueueDeclareOptions::default()
            };
            let declared = channel.queue_declare(exchange.into(), durable, FieldTable::default());
            declared.await.expect("a queue");
            for key in keys {
                let (queue, table) = (exchange.into(), FieldTable::default());
                let bound = channel.queue_bind(
                    queue,
                    exchange.into(),
                    (*key).into(),
                    QueueBindOptions::default(),
                    table,
                );
                bound.await.expect("a binding");
            }
        }
        Self {
            link: (connection, channel),
            taken: Vec::new(),
        }
    }

    /// Goes on after the broker was started again. The queues are durable.
    pub(crate) async fn connect_again(&mut self, broker: &RabbitMq) {
        self.link = connect(broker).await;
    }

    /// Deletes an exchange's queue, so that nothing is bound there.
    pub(crate) async fn unbind(&mut self, exchange: &str) {
        let deleted = self.link.1.queue_delete(exchange.into(), QueueDeleteOptions::default());
        deleted.await.expect("a queue less");
    }

    /// Takes what is in the queues until this holds of all that was taken.
    pub(crate) async fn take_until(&mut self, what: &str, is_enough: impl Fn(&[Message]) -> bool) {
        let started = Instant::now();
        loop {
            let mut is_empty = true;
            for (queue, _, _) in &EXCHANGES {
                while let Some(message) = self.take(queue).await {
                    self.taken.push(message);
                    is_empty = false;
                }
            }
            if is_enough(&self.taken) {
                return;
            }
            let taken = self.taken.len();
            assert!(
                started.elapsed() < PATIENCE,
                "{what}: {taken} messages, and not within {PATIENCE:?}"
            );
            if is_empty {
                sleep(Duration::from_millis(20)).await;
            }
        }
    }

    async fn take(&self, queue: &str) -> Option<Message> {
        let got = self.link.1.basic_get(queue.into(), BasicGetOptions::default()).await;
        let delivery = got.expect("an answer")?.delivery;
        delivery
            .ack(BasicAckOptions::default())
            .await
            .expect("an acknowledgement");
        let properties = &delivery.properties;
        let text = |property: &Option<_>| property.as_ref().map(ToString::to_string).unwrap_or_default();
        Some(Message {
            exchange: delivery.exchange.to_string(),
            key: delivery.routing_key.to_string(),
            id: text(properties.message_id()),
            content_type: text(properties.content_type()),
            is_persistent: *properties.delivery_mode() == Some(2),
            headers: properties.headers().clone().unwrap_or_default(),
            body: String::from_utf8(delivery.data).expect("text"),
        })
    }

    /// All that was taken, each queue's in its order.
    pub(crate) fn taken(&self) -> &[Message] {
        &self.taken
    }

    /// The keys of what came by an exchange, sorted.
    pub(crate) fn of(&self, exchange: &str) -> Vec<&str> {
        let taken = self.taken.iter().filter(|message| message.exchange == exchange);
        let mut keys: Vec<&str> = taken.map(|message| message.key.as_str()).collect();
        keys.sort_unstable();
        keys
    }
}

async fn connect(broker: &RabbitMq) -> (Connection, Channel) {
    // It listens a moment before it lets anybody in.
    let connection = harness::eventually("the broker lets in", async || {
        Connection::connect(&broker.url(), ConnectionProperties::default())
            .await
            .ok()
    })
    .await;
    let channel = connection.create_channel().await.expect("a channel");
    (connection, channel)
}
