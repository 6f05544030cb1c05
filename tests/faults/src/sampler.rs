//! Which sagas are unfinished, seen from outside while everything breaks.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    process::Command,
    time::{sleep, timeout},
};

use super::{bounds::Unfinished, history::History};

const PAUSE: Duration = Duration::from_millis(500);
/// A Redis that stands still or loads is asked again.
const PATIENCE: Duration = Duration::from_secs(1);
/// Prints the members of order's indexes whose scores are not negative: the sagas that are not paid yet.
const UNFINISHED: &str = "local found = {} \
    for _, index in ipairs(redis.call('KEYS', 'inflight:*')) do \
    for _, saga in ipairs(redis.call('ZRANGEBYSCORE', index, '0', '+inf')) do found[#found + 1] = saga end \
    end \
    return found";

/// Every saga that was seen to be unfinished, and when.
#[derive(Default)]
pub(crate) struct Sampler {
    seen: Mutex<BTreeMap<String, Unfinished>>,
}

impl Sampler {
    /// Looks, again and again, at order's Redis itself. Never returns.
    pub(crate) async fn watch(&self, redis: SocketAddr, history: &History) {
        loop {
            let begun = history.now();
            if let Some(sagas) = unfinished(redis).await {
                let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                for saga in sagas {
                    let first = Unfinished {
                        first: begun,
                        last: begun,
                    };
                    seen.entry(saga).or_insert(first).last = begun;
                }
            }
            sleep(PAUSE).await;
        }
    }

    /// What was seen.
    pub(crate) fn seen(&self) -> BTreeMap<String, Unfinished> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The ids of unfinished sagas, if Redis tells.
async fn unfinished(redis: SocketAddr) -> Option<Vec<String>> {
    let asked = Command::new("redis-cli")
        .args(["-e", "-h", &redis.ip().to_string(), "-p", &redis.port().to_string()])
        .args(["EVAL", UNFINISHED, "0"])
        .kill_on_drop(true)
        .output();
    let printed = timeout(PATIENCE, asked).await.ok()?.ok()?;
    let text = String::from_utf8_lossy(&printed.stdout);
    let sagas = text.lines().map(ToOwned::to_owned).filter(|line| !line.is_empty());
    printed.status.success().then(|| sagas.collect())
}
