use domain::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

/// Something that happened, for whoever wants to know.
///
/// An event is appended to the outbox in the same EXEC as the change that it announces. A reader may see an event twice
/// and recognizes it by its id.
pub trait Event: Serialize {
    /// What kind of event it is: `<subject>.<what happened>`.
    const TYPE: &'static str;

    /// Unique among the events of this type, and the same if the event is told again.
    fn id(&self) -> String;
}

/// The event as the outbox holds it; `at` is when it was decided.
pub(crate) fn envelope<E: Event>(event: &E, at: Timestamp) -> Value {
    json!({ "type": E::TYPE, "id": event.id(), "at": at, "data": event })
}
