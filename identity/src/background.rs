//! What identity does beside answering calls: it reads the credentials, opens accounts, and forgets sessions that were ended
//! long ago.

use std::{sync::Arc, time::Duration};

use domain::{Backoff, Timestamp, UserId};
use engine::{keys::Partition, store::End};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    accounts::Accounts,
    decide::{ForgetRevoked, Opened},
    keys::Keys,
    service::Identity,
    snapshot::{REVOKED_FOR, Snapshots},
};

/// How many entries of an index are worked on in one go.
const AT_ONCE: usize = 100;
/// How often accounts are looked for that another replica has left unopened.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long to wait while payment is away.
const REST: Backoff = Backoff {
    min: Duration::from_millis(200),
    max: Duration::from_secs(10),
};
/// How often old entries are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(60);

/// The work beside answering calls.
pub(crate) struct Background {
    pub(crate) identity: Identity,
    pub(crate) snapshots: Arc<Snapshots>,
    pub(crate) accounts: Arc<dyn Accounts>,
    /// Told when somebody has registered.
    pub(crate) registered: Arc<Notify>,
}

impl Background {
    /// Works until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let read = self.snapshots.run(stop.clone());
        let open = stop.run_until_cancelled(self.open_accounts());
        let forget = stop.run_until_cancelled(self.forget_revoked());
        tokio::join!(read, open, forget);
    }

    async fn open_accounts(&self) {
        let mut failures = 0;
        loop {
            let mut is_well = true;
            for partition in self.identity.partitions().all() {
                is_well &= self.open_in(partition).await;
            }
            if is_well {
                failures = 0;
                // Somebody registers, or it is time to look for what a replica has left.
                let _ = timeout(LOOK_EVERY, self.registered.notified()).await;
            } else {
                REST.sleep(failures).await;
                failures = failures.saturating_add(1);
            }
        }
    }

    /// Opens the accounts of a partition's users. Tells whether all are open.
    async fn open_in(&self, partition: Partition) -> bool {
        let unopened = self.identity.partitions().unopened(partition);
        let every = 0.0..=f64::INFINITY;
        let found = self
            .identity
            .store()
            .members(&unopened, every, End::Lowest, 0, AT_ONCE)
            .await;
        let Ok(found) = found else {
            return false;
        };
        for user_id in found.iter().filter_map(|(id, _)| id.parse::<UserId>().ok()) {
            if let Err(error) = self.accounts.open(&user_id).await {
                tracing::warn!(user = %user_id, %error, "a user's account cannot be opened yet");
                return false;
            }
            let opened = Opened {
                partition,
                unopened: unopened.clone(),
                user_id,
            };
            if let Err(error) = self.identity.engine().submit(opened).await {
                tracing::warn!(%error, "that an account is open cannot be noted yet");
                return false;
            }
        }
        found.len() < AT_ONCE
    }

    async fn forget_revoked(&self) {
        loop {
            for partition in self.identity.partitions().all() {
                self.forget_in(partition).await;
            }
            sleep(FORGET_EVERY).await;
        }
    }

    async fn forget_in(&self, partition: Partition) {
        let revoked = self.identity.partitions().revoked(partition);
        // Later than it is listed: clocks differ.
        let until = Timestamp::now().before(2 * REVOKED_FOR).score();
        let found = self
            .identity
            .store()
            .members(&revoked, 0.0..=until, End::Lowest, 0, AT_ONCE)
            .await;
        let sessions: Vec<String> = found.unwrap_or_default().into_iter().map(|(id, _)| id).collect();
        if sessions.is_empty() {
            return;
        }
        let forget = ForgetRevoked {
            partition,
            revoked,
            sessions,
        };
        if let Err(error) = self.identity.engine().submit_leaving_room(forget).await {
            tracing::debug!(%error, "old sessions are forgotten later");
        }
    }
}
