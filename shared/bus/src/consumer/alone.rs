//! Events of which consumers may die: how often one was being handled, and nothing else was, when its consumer died.
//!
//! Redis counts how often an entry was delivered. A dead consumer leaves up to hundreds of entries, so that count says
//! little of each of them: it only makes them suspects. The events of a suspect are handled alone, each with a mark
//! that stands while its handler is at work. Of a mark that is found, nothing but its event can be the cause.
//!
//! What is settled is marked as well, until the entry is acknowledged: if two events of an entry kill, each must be known
//! when the consumer has died of the other.

use super::Line;
use crate::{
    BusError,
    replies::{number, text},
};

/// Up to how many deliveries of an entry raise no suspicion: the first, and one for each death.
pub(super) const UNSUSPICIOUS: u64 = 3;

/// How long a mark is kept, from the last one on: longer than anybody waits before taking over what was left.
const KEPT_MILLIS: &str = "86400000";

const SETTLED: &str = "settled";

/// What is known of a suspect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// So many consumers have died of it.
    Deaths(u32),
    /// It was handled, or is a dead letter.
    Settled,
}

/// How an event is marked: the key of its entry, and its id.
pub(super) struct Mark {
    pub(super) key: String,
    pub(super) event: String,
}

impl Mark {
    /// What it said when it was set last.
    pub(super) async fn look(&self, line: &Line) -> Result<Known, BusError> {
        let words = [&self.key, &self.event].map(String::as_bytes);
        let found = line.ask_one(|connection| connection.queue("HGET", words)).await?;
        Ok(match text(found.clone()).as_deref() {
            Some(SETTLED) => Known::Settled,
            _ => Known::Deaths(
                number(found)
                    .and_then(|found| u32::try_from(found).ok())
                    .unwrap_or_default(),
            ),
        })
    }

    /// Notes so many deaths: one more while the handler is at work, so that its death is counted by whoever comes after.
    pub(super) async fn set(&self, line: &Line, deaths: u32) -> Result<(), BusError> {
        self.say(line, &deaths.to_string()).await
    }

    /// It need not be handled again.
    pub(super) async fn settle(&self, line: &Line) -> Result<(), BusError> {
        self.say(line, SETTLED).await
    }

    async fn say(&self, line: &Line, word: &str) -> Result<(), BusError> {
        line.ask(|connection| {
            connection.queue("HSET", [&*self.key, &*self.event, word].map(str::as_bytes));
            connection.queue("PEXPIRE", [&self.key, KEPT_MILLIS].map(str::as_bytes));
        })
        .await
        .map(drop)
    }
}
