//! Dead letters: what a group could not handle, with the reason, for a person to decide.
//!
//! Their number is bounded: of more, the oldest are cut away, and that is counted, on the bus as well, and logged by name.
//!
//! A letter can be there twice if its consumer died before the entry was acknowledged. The event's source and id tell.

use bytes::Bytes;
use engine::store::connection::Reply;
use metrics::counter;

use super::{Context, lease, standing::labels};
use crate::{
    BusError, CloudEvent, TopicPartition,
    replies::{EntryId, array, number, text, texts},
};

/// How many of the letters that are cut away at once are named. There is one, unless the bound was lowered.
const NAMED: u64 = 16;

/// Writes a letter, cuts away what is too old, and acknowledges an entry if one is named. Returns how many were cut, and the
/// first of them.
const BURY: &str = "
local letters, cut, stream = KEYS[1], KEYS[2], KEYS[3]
local group, entry, most, named = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
redis.call('XADD', letters, '*', unpack(ARGV, 5))
local surplus, oldest = redis.call('XLEN', letters) - most, {}
if surplus > 0 then
  oldest = redis.call('XRANGE', letters, '-', '+', 'COUNT', math.min(surplus, named))
  redis.call('XTRIM', letters, 'MAXLEN', most)
  redis.call('INCRBY', cut, surplus)
end
if entry ~= '' then redis.call('XACK', stream, group, entry) end
return {math.max(surplus, 0), oldest}";

/// What could not be handled.
pub(super) enum What<'a> {
    /// An event.
    Event(&'a CloudEvent),
    /// A whole entry, which holds no events.
    Entry(&'a Bytes),
}

/// What is to be known of it.
pub(super) struct Letter<'a> {
    pub(super) what: What<'a>,
    pub(super) reason: &'a str,
    pub(super) tries: u32,
}

/// Writes a dead letter; if it is about a whole entry, acknowledges that in the same step.
pub(super) async fn bury<H>(
    context: &Context<H>,
    partition: TopicPartition,
    letter: &Letter<'_>,
    acknowledge: Option<EntryId>,
) -> Result<(), BusError> {
    let (line, config) = (&context.line, &context.config);
    let now = lease::time(line.ask_one(|connection| connection.queue("TIME", [])).await?)?;
    let (failed_at, tries) = (now.to_rfc3339(), letter.tries.to_string());
    let (field, value): (&str, Bytes) = match letter.what {
        What::Event(event) => ("event", serde_json::to_vec(event).unwrap_or_default().into()),
        What::Entry(bytes) => ("entry", bytes.clone()),
    };
    let (group, reason) = (&*config.group, letter.reason);
    let keys = [
        partition.dead_key(group),
        partition.cut_key(group),
        partition.stream_key(),
    ];
    let entry = acknowledge.map(|id| id.to_string()).unwrap_or_default();
    let (most, named) = (config.max_letters.max(1).to_string(), NAMED.to_string());
    let words = [
        BURY, "3", &keys[0], &keys[1], &keys[2], group, &entry, &most, &named, field,
    ];
    let rest = ["reason", reason, "tries", &tries, "failed_at", &failed_at];
    let words = words.map(str::as_bytes).into_iter().chain([&*value]);
    let words = words.chain(rest.map(str::as_bytes));
    let reply = line.ask_one(|connection| connection.queue("EVAL", words)).await?;
    tracing::error!(group, %partition, reason, tries, "an event became a dead letter");
    counter!("holdfast_consumer_dead_total", &labels(group, partition.topic)).increment(1);
    note_what_was_cut(group, partition, reply);
    Ok(())
}

fn note_what_was_cut(group: &str, partition: TopicPartition, reply: Reply) {
    let mut parts = array(reply).into_iter();
    let letters = parts.next().and_then(number).unwrap_or_default();
    if letters == 0 {
        return;
    }
    counter!("holdfast_consumer_dead_cut_total", &labels(group, partition.topic)).increment(letters);
    for letter in parts.next().map(array).unwrap_or_default() {
        let mut parts = array(letter).into_iter();
        let id = parts.next().and_then(text).unwrap_or_default();
        let fields = parts.next().map(texts).unwrap_or_default();
        let what = fields.get(1).map(String::as_str).unwrap_or_default();
        let event = serde_json::from_str::<CloudEvent>(what).map_or_else(|_| what.to_owned(), |event| event.id);
        tracing::error!(group, %partition, letters, letter = id, event,
            "there are too many dead letters: the oldest is cut away, and what it names is lost to the group");
    }
}
