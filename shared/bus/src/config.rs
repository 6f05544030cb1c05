//! Where the bus is, and how much it keeps.

use std::time::Duration;

use clap::Args;
use engine::store::{
    ReadError, Store, StoreConfig, StoreError,
    connection::{Connection, ConnectionError},
};

/// The bus, and how much it keeps.
#[derive(Debug, Clone, Args)]
pub struct BusConfig {
    /// Where the bus is: a Redis of its own, redis://, redis-sentinel:// or redis+unix://. Without it, events stay in the outbox, which keeps the newest alone.
    #[arg(long, env = "BUS_URL", hide_env_values = true)]
    pub bus_url: Option<String>,
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
            bus_url: Some(url.into()),
            bounds,
        }
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
