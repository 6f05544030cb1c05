//! What others have read and not acknowledged: whose it is, when it may be taken, and taking it.
//!
//! The new owner waits by its own clock and does not leave that to XAUTOCLAIM's least idle time: that one counts from
//! when an entry was delivered, not from the last try to handle it, and by a clock that can be set back.

use std::time::Duration;

use engine::store::connection::Reply;

use super::Line;
use crate::{
    BusError, TopicPartition,
    replies::{Entry, array, entry, number, text, texts},
};

/// How many entries are taken at once.
pub(super) const PAGE: usize = 16;

/// How long a new owner waits before it takes what is pending.
pub(super) fn wait(released: bool, pending_of: &[String], me: &str, bound: Duration) -> Duration {
    // What is pending under the own name is from before a restart.
    let nobody_else = pending_of.iter().all(|name| name == me);
    if released || nobody_else { Duration::ZERO } else { bound }
}

/// The consumers that have read entries of a partition and not acknowledged them.
pub(super) async fn pending_of(line: &Line, partition: TopicPartition, group: &str) -> Result<Vec<String>, BusError> {
    let key = partition.stream_key();
    let summary = line
        .ask_one(|connection| connection.queue("XPENDING", [key.as_bytes(), group.as_bytes()]))
        .await?;
    let consumers = array(summary).into_iter().nth(3).map(array).unwrap_or_default();
    let names = consumers
        .into_iter()
        .filter_map(|consumer| text(array(consumer).into_iter().next()?));
    Ok(names.collect())
}

/// Why entries are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// Their consumer was gone without a word, maybe because of what is in them.
    Died,
    /// It gave them up.
    HandedOver,
    /// A read that broke had brought them, or was carried out late.
    Astray,
}

/// A pending entry that is now this consumer's.
pub(super) struct Claimed {
    pub(super) entry: Entry,
    /// How often it was given to a consumer: once when it was read, and once more for each consumer that died since.
    pub(super) deliveries: u64,
}

/// A part of what was pending.
pub(super) struct Page {
    pub(super) entries: Vec<Claimed>,
    /// How many were pending and are in the stream no more: lost to the group.
    pub(super) trimmed: usize,
    /// Where the next part begins; none if this was the last.
    pub(super) next: Option<String>,
}

/// Takes pending entries from `start` on that nobody has touched for `idle`.
pub(super) async fn claim(
    line: &Line,
    partition: TopicPartition,
    (group, name): (&str, &str),
    idle: Duration,
    start: &str,
    why: Why,
) -> Result<Page, BusError> {
    let (key, idle, count) = (partition.stream_key(), idle.as_millis().to_string(), PAGE.to_string());
    // With JUSTID it is no delivery.
    let words = [&key, group, name, &idle, start, "COUNT", &count, "JUSTID"];
    let reply = line
        .ask_one(|connection| connection.queue("XAUTOCLAIM", words.map(str::as_bytes)))
        .await?;
    let mut parts = array(reply).into_iter();
    let next = parts.next().and_then(text).ok_or(BusError::Strange("no cursor"))?;
    let ids = parts.next().map(texts).unwrap_or_default();
    let trimmed = parts.next().map(array).unwrap_or_default().len();
    let entries = fetch(line, &key, (group, name), &ids, why).await?;
    Ok(Page {
        // What was trimmed a moment ago.
        trimmed: trimmed + ids.len() - entries.len(),
        entries,
        next: (next != "0-0").then_some(next),
    })
}

/// What is in these pending entries, and how often they were delivered. A death is counted: XCLAIM does it.
async fn fetch(
    line: &Line,
    key: &str,
    (group, name): (&str, &str),
    ids: &[String],
    why: Why,
) -> Result<Vec<Claimed>, BusError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let replies = line
        .ask(|connection| {
            for id in ids {
                connection.queue("XRANGE", [key, id, id].map(str::as_bytes));
                // It drops what is no longer there.
                let counts: &[&str] = if why == Why::Died { &[] } else { &["JUSTID"] };
                let claim = [&[key, group, name, "0", id], counts].concat();
                connection.queue("XCLAIM", claim.into_iter().map(str::as_bytes));
                connection.queue("XPENDING", [key, group, id, id, "1"].map(str::as_bytes));
            }
        })
        .await?;
    let mut replies = replies.into_iter();
    let mut claimed = Vec::new();
    while let (Some(read), Some(_), Some(pending)) = (replies.next(), replies.next(), replies.next()) {
        if let Some(entry) = array(read).into_iter().next().and_then(entry) {
            claimed.push(Claimed {
                entry,
                deliveries: deliveries(pending).unwrap_or_default(),
            });
        }
    }
    Ok(claimed)
}

/// How often the one entry of XPENDING's answer was delivered.
fn deliveries(pending: Reply) -> Option<u64> {
    let one = array(pending).into_iter().next()?;
    array(one).into_iter().nth(3).and_then(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_strange_owner_left_without_a_word_is_waited_for() {
        let bound = Duration::from_secs(15);
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(wait(false, &[], "me", bound), Duration::ZERO);
        assert_eq!(wait(false, &names(&["me"]), "me", bound), Duration::ZERO);
        assert_eq!(wait(false, &names(&["me", "other"]), "me", bound), bound);
        assert_eq!(wait(true, &names(&["other"]), "me", bound), Duration::ZERO);
    }
}
