//! The one place that knows how Redis is reached: single, sentinel or cluster.
//!
//! Two kinds of connection, for two kinds of work:
//! - a [`Connection`](connection::Connection) belongs to one lane. It never reconnects and never repeats a command by itself: a
//!   client that reconnects loses its WATCH in silence, and then EXEC overwrites a rival's work. It is
//!   thrown away after any error; the lane's pool makes the next one.
//! - the shared [`Reader`](reader::Reader) is fred's, reconnects as it likes, and carries nothing but reads.

mod claim;
mod config;
pub mod connection;
mod error;
mod info;
mod lane;
pub(crate) mod reader;
pub mod scan;
mod stream;
mod url;
mod watch;

use std::{
    ops::RangeInclusive,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use bytes::Bytes;
use deadpool::managed;
use domain::Timestamp;
use fred::{
    clients::Client,
    interfaces::{ClientLike, KeysInterface, SortedSetsInterface},
    types::{
        ClusterHash, CustomCommand,
        config::{Config, ConnectionConfig, PerformanceConfig},
    },
    util::redis_keyslot,
};

pub use self::claim::claimed_partitions;
pub use self::config::{RedisAccess, StoreConfig};
pub use self::error::{ReadError, StoreError, StoreFull};
pub use self::info::info_field;
pub use self::lane::time;
pub(crate) use self::lane::{ConnectError, LanePool, LaneServer, Redirect};
pub use self::url::{RedisUrl, redacted};
use self::{
    connection::Connection,
    reader::{Dialing, Reader},
    scan::Scanner,
};
use crate::{
    Record,
    keys::{IndexKey, Key},
    record::parse,
};

/// Where a range of scores is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Its lowest score.
    Lowest,
    /// Its highest score.
    Highest,
}

/// A service's Redis.
#[derive(Clone)]
pub struct Store {
    reader: Reader,
    redis: Config,
    timeout: Duration,
    nearly_full: Arc<AtomicBool>,
    watermark_percent: u8,
}

impl Store {
    /// Prepares the connections; opens none that the caller would have to wait for.
    pub fn open(config: &StoreConfig) -> Result<Self, StoreError> {
        let timeout = config.redis_timeout.duration();
        let redis = config.redis()?;
        let performance = PerformanceConfig {
            default_command_timeout: timeout,
            ..PerformanceConfig::default()
        };
        let connection = ConnectionConfig {
            connection_timeout: timeout,
            internal_command_timeout: timeout,
            // If a slot has moved, fred counts the way to its new server as an attempt.
            max_command_attempts: if redis.server.is_clustered() { 3 } else { 1 },
            auto_client_setname: true,
            ..ConnectionConfig::default()
        };
        let reader = Reader::open(Dialing {
            redis: Config {
                // Redis may start after us.
                fail_fast: false,
                ..redis.clone()
            },
            performance,
            connection,
        });
        Ok(Self {
            reader,
            redis,
            timeout,
            nearly_full: Arc::default(),
            watermark_percent: config.store_watermark_percent,
        })
    }

    /// Whether a transaction has to stay in one cluster slot.
    #[must_use]
    pub fn is_clustered(&self) -> bool {
        self.redis.server.is_clustered()
    }

    /// A new connection to the server that holds a key. For what fred's client cannot do: transactions, and reads that
    /// wait.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] within the command timeout.
    pub async fn connect(&self, key: &str) -> Result<Connection, ReadError> {
        self.connect_to(key)
            .await
            .map_err(|cause| ReadError::Unavailable(cause.to_string()))
    }

    /// Why Redis and we do not trust each other, if that is so. fred tells little of TLS.
    async fn distrust(&self) -> Option<String> {
        self.redis.tls.as_ref()?;
        match self.connect_to("").await {
            Err(ConnectError::Connection(cause)) if cause.is_about_trust() => Some(cause.to_string()),
            _ => None,
        }
    }

    async fn connect_to(&self, key: &str) -> Result<Connection, ConnectError> {
        let slot = redis_keyslot(key.as_bytes());
        LaneServer::new(self.redis.clone(), slot, self.timeout).connect().await
    }

    /// The connections of the lane whose keys lie in this cluster slot.
    pub(crate) fn lane(&self, slot: u16) -> LanePool {
        let server = LaneServer::new(self.redis.clone(), slot, self.timeout);
        // Without timeouts of its own, which need a runtime, a pool of one is always built.
        managed::Pool::builder(server)
            .max_size(1)
            .build()
            .unwrap_or_else(|error| unreachable!("{error}"))
    }

    /// Reads one record, outside of any transaction.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] within the command timeout; [`ReadError::Corrupt`].
    pub async fn read<R: Record>(&self, key: &Key<R>) -> Result<Option<R>, ReadError> {
        let loaded: Option<Bytes> = self
            .reader
            .ask(|client| async move { client.get(key.name()).await })
            .await
            .map_err(ReadError::from)?;
        loaded.map(|bytes| parse(key, &bytes)).transpose()
    }

    /// Reads many records of one partition at one moment, outside of any transaction. Each that cannot be
    /// decoded is an error of its own.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] within the command timeout.
    pub async fn read_all<R: Record>(&self, keys: Vec<Key<R>>) -> Result<Vec<Result<Option<R>, ReadError>>, ReadError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<_> = keys.iter().map(|key| key.name().clone()).collect();
        let loaded: Vec<Option<Bytes>> = self
            .reader
            .ask(|client| async move { client.mget(names).await })
            .await
            .map_err(ReadError::from)?;
        let parsed = keys
            .iter()
            .zip(loaded)
            .map(|(key, bytes)| bytes.map(|bytes| parse(key, &bytes)).transpose());
        Ok(parsed.collect())
    }

    /// Up to `most` members of an index whose scores lie in a range, with their scores, behind the first `skip` of them
    /// from one end of the range.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] within the command timeout.
    pub async fn members(
        &self,
        index: &IndexKey,
        scores: RangeInclusive<f64>,
        from: End,
        skip: usize,
        most: usize,
    ) -> Result<Vec<(String, f64)>, ReadError> {
        let count = |number| i64::try_from(number).unwrap_or(i64::MAX);
        let (key, limit) = (index.name(), Some((count(skip), count(most))));
        let (lowest, highest) = scores.into_inner();
        match from {
            End::Lowest => {
                let question =
                    |client: Client| async move { client.zrangebyscore(key, lowest, highest, true, limit).await };
                self.reader.ask(question).await
            }
            End::Highest => {
                let question =
                    |client: Client| async move { client.zrevrangebyscore(key, highest, lowest, true, limit).await };
                self.reader.ask(question).await
            }
        }
        .map_err(ReadError::from)
    }

    /// The time by the clock of the server that holds an index.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] within the command timeout.
    pub async fn now(&self, index: &IndexKey) -> Result<Timestamp, ReadError> {
        let slot = ClusterHash::Custom(redis_keyslot(index.name().as_bytes()));
        let time = CustomCommand::new_static("TIME", slot, false);
        let (seconds, microseconds): (String, String) = self
            .reader
            .ask(|client| async move { client.custom(time, Vec::<String>::new()).await })
            .await
            .map_err(ReadError::from)?;
        Timestamp::from_redis(&seconds, &microseconds)
            .ok_or_else(|| ReadError::Unavailable("TIME was not answered with a time".into()))
    }

    /// A way to look at everything that is stored.
    #[must_use]
    pub fn scanner(&self) -> Scanner {
        Scanner::new(self.reader.clone())
    }

    /// Whether Redis answers now.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] within the command timeout.
    pub async fn ping(&self) -> Result<(), ReadError> {
        self.reader
            .ask(|client| async move { client.ping::<()>(None).await })
            .await
            .map_err(ReadError::from)
    }
}
