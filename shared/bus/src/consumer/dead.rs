//! Dead letters: what a group could not handle, with the reason, for a person to decide.
//!
//! A letter can be there twice if its consumer died before the entry was acknowledged. The event's source and id tell.

use bytes::Bytes;
use engine::store::connection::Connection;
use metrics::counter;

use super::{Line, lease, standing::labels};
use crate::{
    BusError, CloudEvent, TopicPartition,
    cloud_event::rfc3339,
    replies::{EntryId, answered},
};

/// What could not be handled.
pub(super) enum What<'a> {
    /// An event.
    Event(&'a CloudEvent),
    /// A whole entry, which holds no events.
    Entry(&'a Bytes),
}

/// Writes a dead letter; if it is about a whole entry, acknowledges that in the same transaction.
pub(super) async fn bury(
    line: &Line,
    (partition, group): (TopicPartition, &str),
    what: &What<'_>,
    (reason, tries): (&str, u32),
    acknowledge: Option<EntryId>,
) -> Result<(), BusError> {
    let now = lease::time(line.ask_one(|connection| connection.queue("TIME", [])).await?)?;
    let (failed_at, tries) = (rfc3339(now), tries.to_string());
    let (field, value): (&str, Bytes) = match what {
        What::Event(event) => ("event", serde_json::to_vec(event).unwrap_or_default().into()),
        What::Entry(bytes) => ("entry", (*bytes).clone()),
    };
    let (dead, stream) = (partition.dead_key(group), partition.stream_key());
    let id = acknowledge.map(|id| id.to_string());
    let queue = |connection: &mut Connection| {
        connection.queue("MULTI", []);
        let letter = [("reason", reason), ("tries", &tries), ("failed_at", &failed_at)];
        let letter = letter
            .into_iter()
            .flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
        let head = [dead.as_bytes(), b"*", field.as_bytes(), &value];
        connection.queue("XADD", head.into_iter().chain(letter));
        if let Some(id) = &id {
            connection.queue("XACK", [&stream, group, id].map(str::as_bytes));
        }
        connection.queue("EXEC", []);
    };
    answered(line.ask_all(queue).await?)?;
    tracing::error!(group, %partition, reason, tries, "an event became a dead letter");
    counter!("holdfast_consumer_dead_total", &labels(group, partition.topic)).increment(1);
    Ok(())
}
