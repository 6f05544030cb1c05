//! The way to RabbitMQ: one connection with one channel, made again when it is broken.

use std::{sync::Arc, time::Duration};

use domain::Backoff;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions},
    types::FieldTable,
};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    AmqpUrl,
    routing::{Exchange, Route},
};

/// How long connecting and declaring may take together.
const CONNECT_PATIENCE: Duration = Duration::from_secs(4);

/// How long the broker may take to confirm a message.
const CONFIRM_PATIENCE: Duration = Duration::from_secs(4);

/// How long a message waits for a link before its event makes room for others. An outage is sat out here, by one try
/// after another for all, rather than by every waiting event for itself.
const LINK_PATIENCE: Duration = Duration::from_secs(5);

/// The waits between two tries to connect.
const RECONNECT: Backoff = Backoff {
    min: Duration::from_millis(100),
    max: Duration::from_secs(5),
};

/// The broker has not taken a message, as far as anybody knows. It may take it later.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// There is no way to it, and none was made while the message waited.
    #[error("RabbitMQ is away")]
    Away,
    /// It cannot be reached, or does not let us in.
    #[error("RabbitMQ cannot be reached: {0}")]
    Unreachable(lapin::Error),
    /// An exchange is there that is of another type, or one must not declare it.
    #[error("{exchange} cannot be declared at RabbitMQ: {cause}")]
    Undeclared {
        /// Its name.
        exchange: &'static str,
        /// What the broker says.
        cause: lapin::Error,
    },
    /// The connection or its channel broke.
    #[error("the connection to RabbitMQ broke: {0}")]
    Broken(lapin::Error),
    /// It did not answer in time.
    #[error("RabbitMQ did not answer in time")]
    Silent,
    /// It cannot take the message now: a queue is full, or a node of its is ill.
    #[error("RabbitMQ refuses the message for now")]
    Refused,
}

/// What became of a message that the broker has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is in each queue that it belongs in.
    Queued,
    /// No queue is bound there: nobody wants it.
    Unroutable,
}

/// A connection, with what it was made for.
struct Link {
    /// Dropped with the channel; closes it.
    connection: Connection,
    channel: Channel,
}

impl Link {
    fn is_whole(&self) -> bool {
        self.connection.status().connected() && self.channel.status().connected()
    }
}

/// The link, or when to try again.
struct State {
    link: Option<Arc<Link>>,
    failures: u32,
    not_before: Instant,
}

/// RabbitMQ, reached when there is something to publish.
pub(crate) struct Broker {
    url: AmqpUrl,
    /// How the broker's operator finds the connection.
    name: String,
    state: Mutex<State>,
    /// Says that nobody waits for a link any more.
    stop: CancellationToken,
}

impl Broker {
    pub(crate) fn new(url: AmqpUrl, name: String, stop: CancellationToken) -> Self {
        let state = Mutex::new(State {
            link: None,
            failures: 0,
            not_before: Instant::now(),
        });
        Self { url, name, state, stop }
    }

    /// Publishes a message and waits until the broker has it.
    ///
    /// # Errors
    /// It is not known to have it.
    pub(crate) async fn publish(
        &self,
        route: Route<'_>,
        body: &[u8],
        properties: BasicProperties,
    ) -> Result<Taken, BrokerError> {
        let waited = self.stop.run_until_cancelled(timeout(LINK_PATIENCE, self.link()));
        let link = waited.await.and_then(Result::ok).ok_or(BrokerError::Away)??;
        let taken = timeout(CONFIRM_PATIENCE, publish(&link.channel, route, body, properties)).await;
        let taken = taken.unwrap_or(Err(BrokerError::Silent));
        if matches!(taken, Err(BrokerError::Silent | BrokerError::Broken(_))) {
            self.forget(&link).await;
        }
        taken
    }

    /// The link, made anew if there is none. Who comes while it is made waits for it.
    async fn link(&self) -> Result<Arc<Link>, BrokerError> {
        let mut state = self.state.lock().await;
        if let Some(link) = state.link.take_if(|link| !link.is_whole()) {
            tracing::warn!(broker = %self.url, channel = ?link.channel.status(), "the connection to RabbitMQ broke");
        }
        if let Some(link) = &state.link {
            return Ok(link.clone());
        }
        sleep_until(state.not_before).await;
        let made = timeout(CONNECT_PATIENCE, self.connect()).await;
        match made.unwrap_or(Err(BrokerError::Silent)) {
            Ok(link) => {
                tracing::info!(broker = %self.url, name = self.name, "connected to RabbitMQ");
                let link = Arc::new(link);
                state.link = Some(link.clone());
                state.failures = 0;
                Ok(link)
            }
            Err(cause) => {
                tracing::warn!(broker = %self.url, %cause, "no way to RabbitMQ; events wait on the bus");
                state.not_before = Instant::now() + RECONNECT.wait(state.failures);
                state.failures = state.failures.saturating_add(1);
                Err(cause)
            }
        }
    }

    async fn connect(&self) -> Result<Link, BrokerError> {
        let properties = ConnectionProperties::default().with_connection_name(self.name.as_str().into());
        let connection = Connection::connect_uri(self.url.connection(), properties);
        let connection = connection.await.map_err(BrokerError::Unreachable)?;
        let channel = connection.create_channel().await.map_err(BrokerError::Unreachable)?;
        for exchange in Exchange::ALL {
            declare(&channel, exchange).await?;
        }
        let confirming = channel.confirm_select(ConfirmSelectOptions::default()).await;
        confirming.map_err(BrokerError::Unreachable)?;
        Ok(Link { connection, channel })
    }

    /// Lets the next message make a new link, unless that has happened already.
    async fn forget(&self, link: &Arc<Link>) {
        let mut state = self.state.lock().await;
        state.link.take_if(|known| Arc::ptr_eq(known, link));
    }
}

async fn declare(channel: &Channel, exchange: Exchange) -> Result<(), BrokerError> {
    let name = exchange.name();
    let durable = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    let declared = channel.exchange_declare(name.into(), exchange.kind(), durable, FieldTable::default());
    declared
        .await
        .map_err(|cause| BrokerError::Undeclared { exchange: name, cause })
}

async fn publish(
    channel: &Channel,
    route: Route<'_>,
    body: &[u8],
    properties: BasicProperties,
) -> Result<Taken, BrokerError> {
    let mandatory = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    let (exchange, key) = (route.exchange.name().into(), route.key.into());
    let sent = channel.basic_publish(exchange, key, mandatory, body, properties).await;
    let confirmed = sent.map_err(BrokerError::Broken)?.await;
    match confirmed.map_err(BrokerError::Broken)? {
        Confirmation::Ack(None) => Ok(Taken::Queued),
        Confirmation::Ack(Some(_)) => Ok(Taken::Unroutable),
        Confirmation::Nack(_) | Confirmation::NotRequested => Err(BrokerError::Refused),
    }
}
