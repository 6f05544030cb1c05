//! Where the bus is, and how much it keeps.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use engine::store::{
    ReadError, RedisAccess, RedisUrl, Store, StoreConfig, StoreError,
    connection::{Connection, ConnectionError},
};

/// The bus, and how much it keeps.
#[derive(Debug, Clone, Args)]
pub struct BusConfig {
    /// Where the bus is: a Redis of its own, redis://, redis-sentinel:// or redis+unix://; over TLS rediss:// or rediss-sentinel://. A password in it is taken from the environment alone. Without it, events stay in the outbox, which keeps the newest alone.
    #[arg(long, env = "BUS_URL", hide_env_values = true)]
    pub bus_url: Option<RedisUrl>,
    /// A file that holds the bus's password. Without it, the bus has the password of the store.
    #[arg(long, env = "BUS_PASSWORD_FILE")]
    pub bus_password_file: Option<PathBuf>,
    /// A PEM file with the certificates of the authorities that the bus's certificate may be signed by, for rediss://. Without it, those of the store.
    #[arg(long, env = "BUS_CA_FILE")]
    pub bus_ca_file: Option<PathBuf>,
    /// A PEM file with the certificate that is shown to the bus, if it asks for one. Without it, the one that the store is shown.
    #[arg(long, env = "BUS_CERTIFICATE_FILE", requires = "bus_key_file")]
    pub bus_certificate_file: Option<PathBuf>,
    /// A PEM file with the private key of that certificate.
    #[arg(long, env = "BUS_KEY_FILE", requires = "bus_certificate_file")]
    pub bus_key_file: Option<PathBuf>,
    /// How much it keeps.
    #[command(flatten)]
    pub bounds: BusBounds,
}

/// How much the bus keeps.
#[derive(Debug, Clone, Copy, Args)]
pub struct BusBounds {
    /// How long the bus keeps events that every group has handled, in seconds.
    #[arg(long, env = "BUS_RETENTION_SECONDS", default_value_t = BusBounds::DEFAULT.bus_retention_seconds, value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    pub bus_retention_seconds: u64,
    /// About how many entries a partition of a topic keeps, even if a group has not handled them; an entry holds a few events, rarely more than 4 kB. What is cut then is counted and logged.
    #[arg(long, env = "BUS_ENTRIES", default_value_t = BusBounds::DEFAULT.bus_entries, value_parser = clap::value_parser!(u64).range(100..=100_000_000))]
    pub bus_entries: u64,
}

impl BusBounds {
    const DEFAULT: Self = Self {
        bus_retention_seconds: 86_400,
        bus_entries: 200_000,
    };

    /// How long events are kept that every group has handled.
    pub(crate) fn retention(self) -> Duration {
        Duration::from_secs(self.bus_retention_seconds)
    }
}

impl Default for BusBounds {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl BusConfig {
    /// A bus at `url` within these bounds.
    #[must_use]
    pub fn at(url: impl Into<String>, bounds: BusBounds) -> Self {
        Self {
            bus_url: Some(url.into().into()),
            bus_password_file: None,
            bus_ca_file: None,
            bus_certificate_file: None,
            bus_key_file: None,
            bounds,
        }
    }

    /// How the bus is reached, if there is one: as the service's own store, unless something else is said of it.
    #[must_use]
    pub fn store(&self, store: &StoreConfig) -> Option<StoreConfig> {
        let url = self.bus_url.clone()?;
        let shared = store.access.for_url(&url);
        let (certificate, key) = match &self.bus_certificate_file {
            Some(certificate) => (Some(certificate.clone()), self.bus_key_file.clone()),
            None => (shared.redis_certificate_file, shared.redis_key_file),
        };
        let access = RedisAccess {
            redis_password_file: self.bus_password_file.clone().or(shared.redis_password_file),
            redis_ca_file: self.bus_ca_file.clone().or(shared.redis_ca_file),
            redis_certificate_file: certificate,
            redis_key_file: key,
        };
        Some(StoreConfig {
            redis_url: url,
            access,
            ..store.clone()
        })
    }
}

/// Something is wrong with the bus, or with the way to it.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The settings name no bus that can be used.
    #[error(transparent)]
    Settings(#[from] StoreError),
    /// A cluster was named, which the bus cannot be yet.
    #[error("the bus cannot be a Redis Cluster: its partitions are moved by one transaction")]
    Clustered,
    /// No server answers.
    #[error("the bus cannot be reached: {0}")]
    Unreachable(#[from] ReadError),
    /// A connection broke. What was sent may have been done.
    #[error("the connection broke: {0}")]
    Broken(#[from] ConnectionError),
    /// Redis refuses.
    #[error("Redis refuses: {0}")]
    Refused(String),
    /// Redis answered something else than it should.
    #[error("Redis answered strangely: {0}")]
    Strange(&'static str),
}

/// The Redis that carries topics. Cheap to clone.
#[derive(Clone)]
pub struct Bus(Store);

impl Bus {
    /// Prepares the way to the bus that `url` names; waits for nothing.
    ///
    /// # Errors
    /// [`BusError::Settings`] and [`BusError::Clustered`].
    pub fn open(config: &StoreConfig) -> Result<Self, BusError> {
        let store = Store::open(config)?;
        if store.is_clustered() {
            return Err(BusError::Clustered);
        }
        Ok(Self(store))
    }

    /// A new connection.
    ///
    /// # Errors
    /// [`BusError::Unreachable`].
    pub async fn connect(&self) -> Result<Connection, BusError> {
        Ok(self.0.connect("").await?)
    }

    /// Whether it answers now.
    ///
    /// # Errors
    /// [`BusError::Unreachable`].
    pub async fn ping(&self) -> Result<(), BusError> {
        Ok(self.0.ping().await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bus_is_reached_as_the_store_unless_something_else_is_said_of_it() {
        let mut store = StoreConfig::at("rediss://store");
        store.access = RedisAccess {
            redis_password_file: Some("password".into()),
            redis_ca_file: Some("ca".into()),
            redis_certificate_file: Some("certificate".into()),
            redis_key_file: Some("key".into()),
        };
        let mut bus = BusConfig::at("rediss://bus", BusBounds::default());
        let access = |bus: &BusConfig| bus.store(&store).expect("a bus").access;
        assert_eq!(access(&bus).redis_ca_file, Some("ca".into()));
        assert_eq!(access(&bus).redis_key_file, Some("key".into()));
        bus.bus_password_file = Some("other password".into());
        bus.bus_certificate_file = Some("other certificate".into());
        bus.bus_key_file = Some("other key".into());
        assert_eq!(access(&bus).redis_password_file, Some("other password".into()));
        assert_eq!(access(&bus).redis_certificate_file, Some("other certificate".into()));
        assert_eq!(access(&bus).redis_key_file, Some("other key".into()));
        let plain = BusConfig::at("redis://bus", BusBounds::default());
        assert_eq!(access(&plain).redis_password_file, Some("password".into()));
        assert_eq!(access(&plain).redis_ca_file, None);
    }
}
