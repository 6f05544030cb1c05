//! Events from the bus to RabbitMQ: a consumer of a topic that publishes each event and waits for the broker's word.
//!
//! ```text
//! topic:{order-3} ──> Bridge: which exchanges, which properties ──> one channel, confirms ──> RabbitMQ
//!                       └ the broker is away: not now, as often as it takes
//! ```

mod bridge;
mod broker;
mod config;
mod message;
mod routing;

pub use self::{
    bridge::{Bridge, consumer},
    broker::BrokerError,
    config::{AmqpConfig, AmqpUrl, BadAmqpUrl},
    message::message_id,
    routing::{Exchange, NOTIFIED, Route, routes},
};
