use fred::{bytes_utils::Str, error::Error as RedisError};

/// The store cannot be used as it is set up. Waiting does not help.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL or a file is wrong.
    #[error("the Redis settings cannot be used: {0}")]
    Settings(String),
    /// The store does not answer.
    #[error("Redis does not answer: {0}")]
    Unavailable(String),
    /// Its certificate or ours is not accepted.
    #[error("Redis and this service do not trust each other: {0}")]
    Untrusted(String),
    /// The store was made by another service, with another number of partitions, or by a build whose records have another form.
    #[error(
        "this Redis holds the data of {found}, and this service is {wanted}; give each service a store of its own, keep PARTITIONS as it was at the first start, and do not mix builds whose records have another form"
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

/// Something was not read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// Redis could not be reached, or did not answer in time; ask again later.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// A stored record cannot be read; a person has to look at it.
    #[error("the record {key} cannot be read: {cause}")]
    Corrupt {
        /// The record's key in Redis.
        key: Str,
        /// What the decoder said.
        cause: String,
    },
}

impl From<RedisError> for ReadError {
    fn from(cause: RedisError) -> Self {
        Self::Unavailable(cause.to_string())
    }
}

/// The store's memory is filled beyond its watermark, so nothing new is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the store is nearly full")]
pub struct StoreFull;
