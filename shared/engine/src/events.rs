//! What commands announce, and how the outbox holds it.
//!
//! An event is appended to the outbox in the same EXEC as the change that it announces. An entry of the outbox holds the
//! events of a batch: for each partition with any, a field with the partition's number and a JSON array. An event's number
//! within its subject is part of the subject's record, so the numbers have no gap and no double. Whoever reads an event
//! twice recognizes it by its subject and number.

use domain::{Cause, CorrelationId, Timestamp, TraceParent};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::Record;

/// Something that happened, for whoever wants to know. Its type's docstring and schema are what readers see of it.
pub trait Event: Serialize + JsonSchema {
    /// What kind of event it is: `<subject>.<what_happened>`.
    const TYPE: &'static str;

    /// One as it might happen.
    fn example() -> Self;
}

/// What readers may know of one type of event.
#[derive(Debug, Clone)]
pub struct EventKind {
    /// Its type.
    pub r#type: &'static str,
    /// The JSON Schema of its data, described.
    pub schema: serde_json::Value,
    /// Data as they might be.
    pub example: serde_json::Value,
}

impl EventKind {
    /// The kind of the events of this type.
    ///
    /// # Panics
    /// If the example is no JSON, which its type's tests would show.
    #[must_use]
    pub fn new<E: Event>() -> Self {
        let settings = SchemaSettings::draft07().with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        });
        Self {
            r#type: E::TYPE,
            schema: settings.into_generator().into_root_schema_for::<E>().into(),
            example: serde_json::to_value(E::example()).expect("an event is JSON"),
        }
    }
}

/// The number of the last event about a subject: a part of the subject's record. Only emitting an event raises it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sequence(u64);

impl Sequence {
    /// How many events there were about the subject so far.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }

    fn next(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}

/// A record whose changes are announced once a batch, however many of its commands made them.
pub trait Announced: Record {
    /// Emits what follows from the difference between the record before the batch, if there was one, and after it.
    fn announce(&mut self, before: Option<&Self>, outbox: &mut Outbox<'_>);
}

/// Where events about one subject go.
pub struct Outbox<'a> {
    pub(crate) subject: &'a str,
    pub(crate) now: Timestamp,
    pub(crate) cause: Option<&'a Cause>,
    pub(crate) written: &'a mut PartitionEvents,
}

/// How large an array of events may be before the next one is begun.
const ARRAY_BYTES: usize = 8 * 1024;

/// The events about the subjects of one partition, as JSON arrays of which the last one is still open.
#[derive(Debug, Default)]
pub(crate) struct PartitionEvents {
    arrays: Vec<Vec<u8>>,
    fault: Option<serde_json::Error>,
}

impl PartitionEvents {
    fn push(&mut self, event: &impl Serialize) {
        match self.arrays.last_mut() {
            Some(last) if last.len() < ARRAY_BYTES => last.push(b','),
            last => {
                if let Some(full) = last {
                    full.push(b']');
                }
                self.arrays.push(vec![b'[']);
            }
        }
        let written = self.arrays.last_mut().map(|open| serde_json::to_writer(open, event));
        if let Some(Err(fault)) = written {
            self.fault = Some(fault);
        }
    }

    /// The whole arrays.
    ///
    /// # Errors
    /// An event could not be written.
    pub(crate) fn finish(mut self) -> serde_json::Result<Vec<Vec<u8>>> {
        if let Some(last) = self.arrays.last_mut() {
            last.push(b']');
        }
        self.fault.map_or(Ok(self.arrays), Err)
    }
}

impl Outbox<'_> {
    /// Appends an event, under the next number of its subject.
    pub fn emit<E: Event>(&mut self, sequence: &mut Sequence, event: &E) {
        self.written.push(&Written {
            r#type: E::TYPE,
            subject: self.subject,
            sequence: sequence.next(),
            time: self.now,
            correlation_id: self.cause.map(|cause| &cause.correlation_id),
            traceparent: self.cause.and_then(|cause| cause.traceparent.as_ref()),
            data: event,
        });
    }
}

#[derive(Serialize)]
struct Written<'a, E> {
    r#type: &'static str,
    subject: &'a str,
    sequence: u64,
    time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<&'a CorrelationId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a TraceParent>,
    data: &'a E,
}

/// An event as the outbox holds it, for its readers.
#[derive(Debug, Clone, Deserialize)]
pub struct Emitted {
    /// What kind of event it is.
    pub r#type: String,
    /// What it is about.
    pub subject: String,
    /// Its number within its subject, from 1.
    pub sequence: u64,
    /// When it was decided, by its store's clock.
    pub time: Timestamp,
    /// The client's request that caused it, if one did.
    #[serde(default)]
    pub correlation_id: Option<CorrelationId>,
    /// Where that request stood in its trace.
    #[serde(default)]
    pub traceparent: Option<TraceParent>,
    /// What its type says of it, as it was written.
    pub data: Box<RawValue>,
}

/// The events that a field of an entry holds, in order.
///
/// # Errors
/// The bytes are none.
pub fn parse_events(bytes: &[u8]) -> serde_json::Result<Vec<Emitted>> {
    serde_json::from_slice(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, JsonSchema)]
    struct Grown {
        to: u32,
    }

    impl Event for Grown {
        const TYPE: &'static str = "tree.grown";

        fn example() -> Self {
            Self { to: 1 }
        }
    }

    #[test]
    fn what_is_written_is_read_with_its_number_and_its_cause() {
        let (mut sequence, mut written) = (Sequence::default(), PartitionEvents::default());
        let cause = Cause {
            correlation_id: CorrelationId::accept(Some("a-1")),
            traceparent: TraceParent::accept(Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")),
        };
        let mut outbox = Outbox {
            subject: "oak",
            now: Timestamp::from_millis(7),
            cause: Some(&cause),
            written: &mut written,
        };
        outbox.emit(&mut sequence, &Grown { to: 3 });
        outbox.cause = None;
        outbox.emit(&mut sequence, &Grown { to: 4 });
        let arrays = written.finish().expect("JSON");
        let [array] = arrays.as_slice() else {
            unreachable!("{arrays:?}");
        };
        let read = parse_events(array).expect("events");
        assert_eq!(read.iter().map(|event| event.sequence).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(
            (read[0].r#type.as_str(), read[0].subject.as_str()),
            ("tree.grown", "oak")
        );
        assert_eq!(read[0].correlation_id, Some(cause.correlation_id));
        assert_eq!(read[0].traceparent, cause.traceparent);
        assert_eq!((read[1].data.get(), &read[1].correlation_id), (r#"{"to":4}"#, &None));
    }

    #[test]
    fn an_array_that_is_large_is_followed_by_another() {
        let mut events = PartitionEvents::default();
        events.push(&1);
        events.push(&"x".repeat(ARRAY_BYTES));
        events.push(&2);
        events.push(&3);
        let arrays = events.finish().expect("JSON");
        assert!(arrays[0].starts_with(b"[1,") && arrays[0].ends_with(b"]"));
        assert_eq!(arrays[1..], [b"[2,3]".to_vec()]);
    }
}
