//! The fence: how a lane learns whether an EXEC whose answer was lost has happened.
//!
//! Every batch that a lane commits also writes the lane's own key with the batch's number, and watches it.
//! After a lost answer the lane asks on a new connection:
//!
//! ```text
//! WATCH fence, GET fence ─┬─ this batch's number ──────────────────────────────> it is in force
//!                         └─ another ─> MULTI, SET fence <next>, EXEC ─┬─ done ─> it never will be: its EXEC
//!                                                                     │          watches a fence that moved
//!                                                                     └─ null ─> it came in between: ask again
//! ```
//!
//! The move is a transaction of its own so that the question survives the loss of its own answer: the batch's
//! number is never overwritten without having been seen. (A plain `SET fence <next> GET` destroys what it
//! reads: if that answer is lost too, the next asker finds `<next>` and wrongly takes the batch for lost.)

use fred::{
    bytes_utils::Str,
    clients::{Client, Transaction},
    error::Error as RedisError,
    interfaces::{KeysInterface, TransactionInterface},
    types::{Expiration, Value},
};

/// How long the fence of an instance that is gone stays, in seconds. It must outlast every connection
/// on which one of its transactions could still be under way.
const KEPT_SECONDS: i64 = 3_600;

pub(super) struct Fence {
    key: Str,
}

impl Fence {
    /// `tag` is the hash tag of a partition that the lane serves, `instance` is unique to the lane.
    pub(super) fn new(tag: &str, instance: &str) -> Self {
        Self {
            key: format!("fence:{{{tag}}}:{instance}").into(),
        }
    }

    pub(super) fn key(&self) -> &Str {
        &self.key
    }

    /// Adds the batch's number to its transaction.
    pub(super) async fn queue(&self, transaction: &Transaction, number: u64) -> Result<(), RedisError> {
        transaction
            .set(
                self.key.clone(),
                number.to_string(),
                Some(Expiration::EX(KEPT_SECONDS)),
                None,
                false,
            )
            .await
    }

    /// `Some(true)`: batch `number` is in force. `Some(false)`: it is not and never will be.
    /// `None`: the fence moved while it was asked; ask again.
    pub(super) async fn resolve(
        &self,
        client: &Client,
        number: u64,
        moved_to: u64,
    ) -> Result<Option<bool>, RedisError> {
        let ((), found): ((), Option<String>) =
            // In this order, as in `Connection::load`.
            futures::try_join!(client.watch(self.key.clone()), client.get(self.key.clone()))?;
        if found == Some(number.to_string()) {
            return Ok(Some(true));
        }
        let transaction = client.multi();
        self.queue(&transaction, moved_to).await?;
        match transaction.exec::<Value>(true).await? {
            Value::Null => Ok(None),
            _ => Ok(Some(false)),
        }
    }
}
