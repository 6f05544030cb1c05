//! Where RabbitMQ is.

use std::{fmt, str::FromStr};

use clap::Args;
use lapin::uri::{AMQPScheme, AMQPUri};

/// How often the broker and the bridge show each other that they are there, in seconds. Both give a connection up after
/// about twice that.
const HEARTBEAT: u16 = 10;

/// How long connecting may take, in milliseconds.
const CONNECT_TIMEOUT: u64 = 3_000;

/// Where RabbitMQ is, if events go there.
#[derive(Debug, Clone, Args)]
pub struct AmqpConfig {
    /// A RabbitMQ that gets every event, besides the bus: amqp:// with user, password, host, port and virtual host. It needs a bus. While it is away, events wait on the bus.
    #[arg(long, env = "AMQP_URL", hide_env_values = true)]
    pub amqp_url: Option<AmqpUrl>,
}

/// An address of a broker that can be used. It does not show its password.
#[derive(Clone, PartialEq, Eq)]
pub struct AmqpUrl(AMQPUri);

/// The text names no broker that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAmqpUrl {
    /// It is no URL of AMQP.
    #[error("not amqp://user:password@host:port/vhost: {0}")]
    Unreadable(String),
    /// It asks for TLS, which is not built in.
    #[error("amqps:// is not supported: let a proxy beside the process encrypt, as for redis://")]
    Encrypted,
}

impl AmqpUrl {
    /// The address with the times of a connection, where it does not name its own.
    pub(crate) fn connection(&self) -> AMQPUri {
        let mut uri = self.0.clone();
        uri.query.heartbeat.get_or_insert(HEARTBEAT);
        uri.query.connection_timeout.get_or_insert(CONNECT_TIMEOUT);
        uri
    }
}

impl FromStr for AmqpUrl {
    type Err = BadAmqpUrl;

    fn from_str(text: &str) -> Result<Self, BadAmqpUrl> {
        let uri = text.parse::<AMQPUri>().map_err(BadAmqpUrl::Unreadable)?;
        match uri.scheme {
            AMQPScheme::AMQP => Ok(Self(uri)),
            AMQPScheme::AMQPS => Err(BadAmqpUrl::Encrypted),
        }
    }
}

impl fmt::Display for AmqpUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, vhost) = (&self.0.authority, &self.0.vhost);
        write!(formatter, "amqp://{}:{}/{vhost}", at.host, at.port)
    }
}

impl fmt::Debug for AmqpUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_checked_and_does_not_show_its_password() {
        let url: AmqpUrl = "amqp://shop:secret@broker:5673/%2f".parse().expect("an address");
        assert_eq!(format!("{url} {url:?}"), "amqp://broker:5673// amqp://broker:5673//");
        assert_eq!(url.connection().query.heartbeat, Some(HEARTBEAT));
        let own: AmqpUrl = "amqp://broker?heartbeat=3".parse().expect("an address");
        assert_eq!(own.connection().query.heartbeat, Some(3));
        assert_eq!("amqps://broker".parse::<AmqpUrl>(), Err(BadAmqpUrl::Encrypted));
        assert!(matches!(
            "redis://broker".parse::<AmqpUrl>(),
            Err(BadAmqpUrl::Unreadable(_))
        ));
    }
}
