//! The claim on a store: whose it is, and that its Redis keeps what it is given.

use std::time::Duration;

use fred::{
    clients::Client, error::Error as RedisError, interfaces::KeysInterface, types::SetOptions, util::redis_keyslot,
};
use tokio::time::Instant;

use super::{
    Store, StoreError,
    info::{info, info_field},
};
use crate::keys::Partitions;

/// The key that tells which service made the store, and in which form its records are.
pub(crate) const CLAIM: &str = "holdfast";

/// The form of what is stored, as the claim ends. Its number grows if a program of before could not read it, so that no two
/// forms meet in one store.
const FORM: &str = " partitions, records of form 4";

/// The only way of Redis to deal with a full memory that loses nothing: it refuses to write.
pub(super) const KEEPS_ALL: &str = "noeviction";

impl Store {
    /// Claims the store for a service and its number of partitions at the first start, and checks the claim
    /// at every later one. Asks again until `patience` is over, since Redis may start at the same time.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] if somebody else made the store; [`StoreError::Evicts`]; [`StoreError::Untrusted`], at
    /// once, because no certificate changes by waiting; [`StoreError::Unavailable`].
    pub async fn claim(&self, service: &str, partitions: &Partitions, patience: Duration) -> Result<(), StoreError> {
        const PAUSE: Duration = Duration::from_millis(100);
        let wanted = format!("{service} with {}{FORM}", partitions.count());
        let started = Instant::now();
        loop {
            match self.reader.ask(|client| claim(client, &wanted)).await {
                Ok(Some(found)) if found == wanted => break,
                Ok(Some(found)) => return Err(StoreError::Foreign { found, wanted }),
                Ok(None) => {}
                Err(cause) if started.elapsed() >= patience => return Err(StoreError::Unavailable(cause.to_string())),
                Err(cause) => {
                    if let Some(distrust) = self.distrust().await {
                        return Err(StoreError::Untrusted(distrust));
                    }
                    tracing::warn!(%cause, "waiting for Redis");
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.keeps_all(partitions).await
    }

    /// Sees that no server of the store throws keys away: tombstones and fences, which expire and so go first, are
    /// what keeps a late request from acting twice.
    async fn keeps_all(&self, partitions: &Partitions) -> Result<(), StoreError> {
        for slot in self.slots(partitions) {
            // Not CONFIG GET, which managed services forbid.
            let told = info(&self.reader, slot).await;
            match told.as_deref().map(|told| info_field(told, "maxmemory_policy")) {
                Ok(Some(KEEPS_ALL)) => {}
                Ok(Some(policy)) => return Err(StoreError::Evicts { policy: policy.into() }),
                Ok(None) => tracing::warn!("Redis does not tell its maxmemory-policy; it must be {KEEPS_ALL}"),
                Err(cause) => {
                    tracing::warn!(%cause, "Redis does not tell its maxmemory-policy; it must be {KEEPS_ALL}");
                }
            }
        }
        Ok(())
    }

    /// Slots whose servers are all the servers of the store.
    pub(super) fn slots(&self, partitions: &Partitions) -> Vec<u16> {
        let slots = partitions
            .all()
            .map(|partition| redis_keyslot(partitions.tag(partition).as_bytes()));
        let most = if self.is_clustered() { usize::MAX } else { 1 };
        slots.take(most).collect()
    }
}

/// How many partitions the store of `service` has, by the words of its claim; `None` if it is somebody else's, or its
/// records are of another form.
#[must_use]
pub fn claimed_partitions(claim: &str, service: &str) -> Option<u16> {
    claim
        .strip_prefix(service)?
        .strip_prefix(" with ")?
        .strip_suffix(FORM)?
        .parse()
        .ok()
}

async fn claim(client: Client, wanted: &str) -> Result<Option<String>, RedisError> {
    // NX with GET would be one command, but Redis 6 refuses the pair.
    let _: Option<String> = client.set(CLAIM, wanted, None, Some(SetOptions::NX), false).await?;
    client.get(CLAIM).await
}
