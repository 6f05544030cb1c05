//! The one place that knows how Redis is reached: single, sentinel or cluster.
//!
//! Two kinds of connection, for two kinds of work:
//! - a [`Wire`](wire::Wire) belongs to one lane. It never reconnects and never repeats a command by itself: a
//!   client that reconnects loses its WATCH in silence, and then EXEC overwrites a rival's work. It is
//!   thrown away after any error; the lane's pool makes the next one.
//! - the shared [`Reader`](reader::Reader) is fred's, reconnects as it likes, and carries nothing but reads.

mod claim;
mod lane;
pub(crate) mod reader;
mod url;
mod watch;
pub(crate) mod wire;

use std::{
    fs,
    ops::RangeInclusive,
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use bytes::Bytes;
use clap::Args;
use deadpool::managed;
use fred::{
    clients::Client,
    error::Error as RedisError,
    interfaces::{ClientLike, KeysInterface, SortedSetsInterface},
    types::{
        ClusterHash, CustomCommand,
        config::{Config, ConnectionConfig, PerformanceConfig},
    },
    util::redis_keyslot,
};

pub(crate) use self::claim::CLAIM;
pub(crate) use self::lane::{ConnectError, LanePool, LaneServer, Redirect, time};
use self::reader::{Dialing, Reader};
pub use self::url::redacted;
use crate::{
    clock::Timestamp,
    engine::{EngineError, Record},
    keys::{IndexKey, Key},
    survey::Survey,
};

/// Where Redis is, and how long it may take.
#[derive(Debug, Clone, Args)]
pub struct StoreConfig {
    /// Where the service's Redis is: redis://, redis-sentinel://, redis-cluster:// or redis+unix://.
    #[arg(
        long,
        env = "REDIS_URL",
        hide_env_values = true,
        default_value = "redis://127.0.0.1:6379"
    )]
    pub redis_url: String,
    /// A file that holds the Redis password (a trailing line end is ignored).
    #[arg(long, env = "REDIS_PASSWORD_FILE")]
    pub redis_password_file: Option<PathBuf>,
    /// How long one Redis command, or opening a connection, may take, in milliseconds.
    #[arg(long, env = "REDIS_TIMEOUT_MS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub redis_timeout_ms: u64,
    /// From how many percent of Redis's maxmemory on nothing new is begun, so that what is under way can end.
    #[arg(long, env = "STORE_WATERMARK_PERCENT", default_value_t = 90, value_parser = clap::value_parser!(u8).range(1..=99))]
    pub store_watermark_percent: u8,
}

impl StoreConfig {
    /// A store at `redis_url` with the default bounds.
    #[must_use]
    pub fn at(redis_url: impl Into<String>) -> Self {
        Self {
            redis_url: redis_url.into(),
            redis_password_file: None,
            redis_timeout_ms: 1_000,
            store_watermark_percent: 90,
        }
    }
}

/// The store cannot be used as it is set up. Waiting does not help.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL or the password file is wrong.
    #[error("the Redis settings cannot be used: {0}")]
    Settings(String),
    /// The store does not answer.
    #[error("Redis does not answer: {0}")]
    Unavailable(String),
    /// The store was made by another service, or with another number of partitions.
    #[error(
        "this Redis holds the data of {found}, and this service is {wanted}; give each service a store of its own and keep PARTITIONS as it was at the first start"
    )]
    Foreign {
        /// Who made the store.
        found: String,
        /// Who wants to use it.
        wanted: String,
    },
    /// The server throws keys away when its memory is full.
    #[error(
        "this Redis throws keys away when its memory is full (maxmemory-policy {policy}), and those that keep a sale or a charge from happening twice would be among the first; set maxmemory-policy to noeviction"
    )]
    Evicts {
        /// Which keys it throws away, in Redis's words.
        policy: String,
    },
}

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
        let timeout = Duration::from_millis(config.redis_timeout_ms);
        let mut redis = url::redis_config(&config.redis_url)?;
        if let Some(path) = &config.redis_password_file {
            let password = fs::read_to_string(path)
                .map_err(|cause| StoreError::Settings(format!("{}: {cause}", path.display())))?;
            redis.password = Some(password.trim_end_matches(['\r', '\n']).to_owned());
        }
        let performance = PerformanceConfig {
            default_command_timeout: timeout,
            ..PerformanceConfig::default()
        };
        let connection = ConnectionConfig {
            connection_timeout: timeout,
            internal_command_timeout: timeout,
            // Where a slot has moved, fred counts the way to its new server as an attempt.
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
    /// [`EngineError::Unavailable`] within the command timeout; [`EngineError::Corrupt`].
    pub async fn read<R: Record>(&self, key: &Key<R>) -> Result<Option<R>, EngineError> {
        let loaded: Option<Bytes> = self
            .reader
            .ask(|client| async move { client.get(key.name()).await })
            .await
            .map_err(unavailable)?;
        loaded.map(|bytes| parse(key, &bytes)).transpose()
    }

    /// Reads many records of one partition at one moment, outside of any transaction. Each that cannot be
    /// decoded is an error of its own.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] within the command timeout.
    pub async fn read_all<R: Record>(
        &self,
        keys: Vec<Key<R>>,
    ) -> Result<Vec<Result<Option<R>, EngineError>>, EngineError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<_> = keys.iter().map(|key| key.name().clone()).collect();
        let loaded: Vec<Option<Bytes>> = self
            .reader
            .ask(|client| async move { client.mget(names).await })
            .await
            .map_err(unavailable)?;
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
    /// [`EngineError::Unavailable`] within the command timeout.
    pub async fn members(
        &self,
        index: &IndexKey,
        scores: RangeInclusive<f64>,
        from: End,
        skip: usize,
        most: usize,
    ) -> Result<Vec<(String, f64)>, EngineError> {
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
        .map_err(unavailable)
    }

    /// The time by the clock of the server that holds an index.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] within the command timeout.
    pub async fn now(&self, index: &IndexKey) -> Result<Timestamp, EngineError> {
        let slot = ClusterHash::Custom(redis_keyslot(index.name().as_bytes()));
        let time = CustomCommand::new_static("TIME", slot, false);
        let (seconds, microseconds): (String, String) = self
            .reader
            .ask(|client| async move { client.custom(time, Vec::<String>::new()).await })
            .await
            .map_err(unavailable)?;
        Timestamp::from_redis(&seconds, &microseconds)
            .ok_or_else(|| EngineError::Unavailable("TIME was not answered with a time".into()))
    }

    /// A way to look at everything that is stored.
    #[must_use]
    pub fn survey(&self) -> Survey {
        Survey::new(self.reader.clone())
    }

    /// Whether Redis answers now.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] within the command timeout.
    pub async fn ping(&self) -> Result<(), EngineError> {
        self.reader
            .ask(|client| async move { client.ping::<()>(None).await })
            .await
            .map_err(unavailable)
    }
}

pub(crate) fn parse<R: Record>(key: &Key<R>, bytes: &[u8]) -> Result<R, EngineError> {
    serde_json::from_slice(bytes).map_err(|cause| EngineError::Corrupt {
        key: key.name().clone(),
        cause: cause.to_string(),
    })
}

#[expect(clippy::needless_pass_by_value, reason = "it is used as a function in map_err")]
pub(crate) fn unavailable(cause: RedisError) -> EngineError {
    EngineError::Unavailable(cause.to_string())
}
