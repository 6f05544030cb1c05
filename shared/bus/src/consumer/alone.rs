//! Events of which consumers may die: how often one was being handled, and nothing else was, when its consumer died.
//!
//! Redis counts how often an entry was delivered. A dead consumer leaves up to hundreds of entries, so that count says
//! little of each of them: it only makes them suspects. The events of a suspect are handled alone, each with a mark
//! that stands while its handler is at work. Of a mark that is found, nothing but its event can be the cause.

use super::Line;
use crate::{BusError, replies::number};

/// Up to how many deliveries of an entry raise no suspicion: the first, and one for each death.
pub(super) const UNSUSPICIOUS: u64 = 3;

/// How long a mark is kept, from the last one on: longer than anybody waits before taking over what was left.
const KEPT_MILLIS: &str = "86400000";

/// How an event is marked: the key of its partition and group, and its id.
pub(super) struct Mark {
    pub(super) key: String,
    pub(super) event: String,
}

impl Mark {
    /// At how many deaths it stood.
    pub(super) async fn deaths(&self, line: &Line) -> Result<u32, BusError> {
        let words = [&self.key, &self.event].map(String::as_bytes);
        let found = line.ask_one(|connection| connection.queue("HGET", words)).await?;
        let found = number(found).and_then(|found| u32::try_from(found).ok());
        Ok(found.unwrap_or_default())
    }

    /// Notes so many: one more while the handler is at work, so that its death is counted by whoever comes after.
    pub(super) async fn set(&self, line: &Line, deaths: u32) -> Result<(), BusError> {
        let deaths = deaths.to_string();
        line.ask(|connection| {
            connection.queue("HSET", [&self.key, &self.event, &deaths].map(String::as_bytes));
            connection.queue("PEXPIRE", [&self.key, KEPT_MILLIS].map(str::as_bytes));
        })
        .await
        .map(drop)
    }

    /// The event is settled.
    pub(super) async fn forget(&self, line: &Line) -> Result<(), BusError> {
        let words = [&self.key, &self.event].map(String::as_bytes);
        line.ask(|connection| connection.queue("HDEL", words)).await.map(drop)
    }
}
