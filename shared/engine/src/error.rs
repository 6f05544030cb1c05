use domain::Timestamp;
use fred::bytes_utils::Str;

use crate::store::{ReadError, StoreFull};

/// Why a command got no outcome, by what the caller can do about it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineError {
    /// The lane's queue is full. Nothing was written; ask again later.
    #[error("the queue is full")]
    Overloaded,
    /// Rivals kept writing the same keys. Nothing was written; ask again.
    #[error("rivals kept changing the same records")]
    Conflict,
    /// Redis could not be reached, or refused to write. Nothing was written; ask again later.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// The store's memory is nearly full, so nothing new is begun. Nothing was written; ask again later.
    #[error("the store is nearly full")]
    StoreFull,
    /// The transaction was sent and its answer never came. It may or may not be in force; ask again with
    /// the same saga or idempotency key.
    #[error("the store went away in the middle of a transaction: {0}")]
    OutcomeUnknown(String),
    /// By the store's clock it is too early or too late for the command
    /// ([`Command::validity`](super::Command::validity)). Nothing was written.
    #[error("by the store's clock it is {now:?}, and this may be decided from {from:?} to {to:?} only")]
    Expired {
        /// What the store's clock says.
        now: Timestamp,
        /// The first time at which the command may be decided.
        from: Timestamp,
        /// The last.
        to: Timestamp,
    },
    /// A stored record cannot be read. Nothing was written; a person has to look at it.
    #[error("the record {key} cannot be read: {cause}")]
    Corrupt {
        /// The record's key in Redis.
        key: Str,
        /// What the decoder said.
        cause: String,
    },
    /// The decision function broke. Nothing was written; this is a fault of the program.
    #[error("the decision failed: {0}")]
    Bug(String),
    /// The engine is shutting down, or the command's lane broke. Nothing was written.
    #[error("the service is stopping")]
    Stopped,
}

impl From<ReadError> for EngineError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unavailable(cause) => Self::Unavailable(cause),
            ReadError::Corrupt { key, cause } => Self::Corrupt { key, cause },
        }
    }
}

impl From<StoreFull> for EngineError {
    fn from(StoreFull: StoreFull) -> Self {
        Self::StoreFull
    }
}

impl EngineError {
    /// Whether nothing was written, and asking again may help.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Overloaded | Self::Conflict | Self::Unavailable(_) | Self::StoreFull
        )
    }

    /// Whether a record or the program is to blame, and a person has to look at it.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        matches!(self, Self::Corrupt { .. } | Self::Bug(_))
    }
}
