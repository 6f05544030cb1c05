//! What others have read and not acknowledged: whose it is, when it may be taken, and taking it.
//!
//! The new owner waits by its own clock and does not leave that to XAUTOCLAIM's least idle time: that one counts from
//! when an entry was delivered, not from the last try to handle it, and by a clock that can be set back.

use std::time::Duration;

use super::Line;
use crate::{
    BusError, TopicPartition,
    replies::{Entry, array, entry, text},
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

/// A part of what was pending.
pub(super) struct Page {
    pub(super) entries: Vec<Entry>,
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
) -> Result<Page, BusError> {
    let (key, idle, count) = (partition.stream_key(), idle.as_millis().to_string(), PAGE.to_string());
    let words = [&key, group, name, &idle, start, "COUNT", &count];
    let reply = line
        .ask_one(|connection| connection.queue("XAUTOCLAIM", words.map(str::as_bytes)))
        .await?;
    let mut parts = array(reply).into_iter();
    let next = parts.next().and_then(text).ok_or(BusError::Strange("no cursor"))?;
    let entries = parts.next().map(array).unwrap_or_default();
    Ok(Page {
        entries: entries.into_iter().filter_map(entry).collect(),
        trimmed: parts.next().map(array).unwrap_or_default().len(),
        next: (next != "0-0").then_some(next),
    })
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
