//! What happened, for whoever wants to know: the envelope of an outbox entry.
//!
//! An event is appended in the same EXEC as the state change that it announces. One stream entry carries
//! all events of one batch and partition: its single field `events` is a JSON array of envelopes. A
//! reader may see an event twice and tells by `id`.

use domain::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

/// Builds an event's envelope.
///
/// `id` is unique to the event and the same in every retelling; `at` is when it was decided.
pub fn envelope(kind: &'static str, id: &impl ToString, at: Timestamp, data: &impl Serialize) -> Value {
    json!({ "type": kind, "id": id.to_string(), "at": at, "data": data })
}
