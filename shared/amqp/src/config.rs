//! Where RabbitMQ is.

use std::{fmt, path::PathBuf, str::FromStr};

use clap::Args;
use credentials::{CredentialError, Unrepeated, read_secret};
use lapin::uri::{AMQPScheme, AMQPUri};

/// How often the broker and the bridge show each other that they are there, in seconds. Both give a connection up after
/// about twice that.
const HEARTBEAT: u16 = 10;

/// How long connecting may take, in milliseconds.
const CONNECT_TIMEOUT: u64 = 3_000;

/// Where RabbitMQ is, if events go there.
#[derive(Debug, Clone, Args)]
pub struct AmqpConfig {
    /// A RabbitMQ that gets every event, besides the bus: amqp:// with user, host, port and virtual host. A password in it is taken from the environment alone; better is `AMQP_PASSWORD_FILE`. It needs a bus. While it is away, events wait on the bus.
    #[arg(long, env = "AMQP_URL", hide_env_values = true, value_parser = Unrepeated::<AmqpUrl>::new())]
    pub amqp_url: Option<AmqpUrl>,
    /// A file that holds the password of the user at RabbitMQ (a trailing line end is ignored).
    #[arg(long, env = "AMQP_PASSWORD_FILE")]
    pub amqp_password_file: Option<PathBuf>,
}

impl AmqpConfig {
    /// The broker, if there is one, with the password that a file holds.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn broker(&self) -> Result<Option<AmqpUrl>, CredentialError> {
        let Some(mut url) = self.amqp_url.clone() else {
            return Ok(None);
        };
        if let Some(path) = &self.amqp_password_file {
            url.0.authority.userinfo.password = read_secret(path)?;
        }
        Ok(Some(url))
    }
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
    #[error("amqps:// is not supported: let a proxy beside the process encrypt")]
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
    fn the_password_of_a_file_is_taken_and_not_shown() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "s3cret\n").expect("a file");
        let mut config = AmqpConfig {
            amqp_url: Some("amqp://shop@broker".parse().expect("an address")),
            amqp_password_file: Some(file.path().into()),
        };
        let url = config.broker().expect("a password").expect("a broker");
        let user = &url.connection().authority.userinfo;
        assert_eq!((user.username.as_str(), user.password.as_str()), ("shop", "s3cret"));
        assert!(!format!("{url} {url:?} {config:?}").contains("s3cret"));
        config.amqp_password_file = Some("no-such-password".into());
        let refused = config.broker().expect_err("no file").to_string();
        assert!(refused.contains("no-such-password"), "{refused}");
    }

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
