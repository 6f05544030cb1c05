//! The catalogue: which events there are, as a document that tools read.
//!
//! One channel is one topic, one message is one type of event. A message's payload is a whole `CloudEvent`: the envelope,
//! which all share, with the type's own schema as its `data`. `dataschema` of a `CloudEvent` leads to that schema.
//!
//! Source: <https://www.asyncapi.com/docs/reference/specification/v3.0.0>

use std::collections::BTreeMap;

use domain::Timestamp;
use engine::{Emitted, EventKind};
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json, value::to_raw_value};

use crate::{CloudEvent, Topic};

/// The name of the envelope among the schemas. No type of event has it: theirs have a full stop.
const ENVELOPE: &str = "CloudEvent";

/// What every document says first.
const PREFACE: &str = "
Every event is a CloudEvent 1.0. It was written in the same transaction as the change that it announces, so there is no \
change without its event and no event without its change. Whoever reads it may see it twice: `source` and `id` name it. \
`sequence` counts the events about one subject from 1, without a gap, and events about one subject keep their order.

A schema only grows: fields and variants are added, and none goes or changes. Skip what you do not know.

Amounts are whole numbers up to 9223372036854775807. JavaScript rounds those above 9007199254740991.";

/// The events of one service, or of several.
#[derive(Debug, Clone)]
pub struct Catalogue {
    title: String,
    version: &'static str,
    topics: BTreeMap<Topic, Vec<EventKind>>,
}

impl Catalogue {
    /// One without events, of the software with this name and version.
    #[must_use]
    pub fn new(title: impl Into<String>, version: &'static str) -> Self {
        Self {
            title: title.into(),
            version,
            topics: BTreeMap::new(),
        }
    }

    /// Adds the events of one topic.
    pub fn add(&mut self, topic: Topic, kinds: Vec<EventKind>) {
        self.topics.insert(topic, kinds);
    }

    /// With the events of one topic more.
    #[must_use]
    pub fn with(mut self, topic: Topic, kinds: Vec<EventKind>) -> Self {
        self.add(topic, kinds);
        self
    }

    /// With the events of one topic alone.
    #[must_use]
    pub fn only(&self, topic: Topic) -> Self {
        let mut one = self.clone();
        one.topics.retain(|found, _| *found == topic);
        one
    }

    /// What it is the catalogue of.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The topics and their kinds of events, in the order of the services.
    #[must_use]
    pub fn topics(&self) -> impl ExactSizeIterator<Item = (Topic, &[EventKind])> {
        self.topics.iter().map(|(topic, kinds)| (*topic, kinds.as_slice()))
    }

    /// The document: `AsyncAPI` 3.0.0, self-contained.
    #[must_use]
    pub fn document(&self) -> Value {
        let kinds = || {
            self.topics()
                .flat_map(|(topic, kinds)| kinds.iter().map(move |kind| (topic, kind)))
        };
        let messages = kinds().map(|(topic, kind)| (kind.r#type.to_owned(), message(topic, kind)));
        let schemas = kinds().map(|(_, kind)| (kind.r#type.to_owned(), kind.schema.clone()));
        let schemas: Map<String, Value> = schemas.chain([(ENVELOPE.to_owned(), envelope())]).collect();
        let channels = self
            .topics()
            .map(|(topic, kinds)| (topic.to_string(), channel(topic, kinds)));
        let operations = self
            .topics()
            .map(|(topic, kinds)| (format!("announce-{topic}"), operation(topic, kinds)));
        json!({
            "asyncapi": "3.0.0",
            "info": {
                "title": format!("{} events", self.title),
                "version": self.version,
                "description": PREFACE.trim_start(),
            },
            "defaultContentType": CloudEvent::MEDIA_TYPE,
            "channels": channels.collect::<Map<_, _>>(),
            "operations": operations.collect::<Map<_, _>>(),
            "components": { "messages": messages.collect::<Map<_, _>>(), "schemas": schemas },
        })
    }
}

/// One as it might be, whole: what its type's example says, about a subject with the number 7.
#[must_use]
pub fn example(topic: Topic, kind: &EventKind) -> Option<CloudEvent> {
    let emitted = Emitted {
        r#type: kind.r#type.to_owned(),
        subject: "7".to_owned(),
        sequence: 3,
        time: Timestamp::from_millis(1_767_225_600_000),
        correlation_id: None,
        traceparent: None,
        data: to_raw_value(&kind.example).ok()?,
    };
    Some(CloudEvent::new(topic, emitted))
}

fn channel(topic: Topic, kinds: &[EventKind]) -> Value {
    let messages = kinds.iter().map(|kind| {
        let name = kind.r#type.to_owned();
        (name, to("#/components/messages", kind))
    });
    json!({
        "address": topic.name(),
        "title": format!("What {} announces", topic.service()),
        "description": format!(
            "A topic in partitions. Each is a stream of Redis, `{}` and so on; which one an event is in follows from its subject.",
            topic.partition(0).stream_key(),
        ),
        "messages": messages.collect::<Map<_, _>>(),
    })
}

fn operation(topic: Topic, kinds: &[EventKind]) -> Value {
    let messages = format!("#/channels/{topic}/messages");
    json!({
        "action": "send",
        "channel": { "$ref": format!("#/channels/{topic}") },
        "summary": format!("{} announces what has happened.", topic.service()),
        "messages": kinds.iter().map(|kind| to(&messages, kind)).collect::<Vec<_>>(),
    })
}

fn message(topic: Topic, kind: &EventKind) -> Value {
    let mut message = json!({
        "name": kind.r#type,
        "title": kind.schema["title"],
        "summary": kind.schema["description"],
        "contentType": CloudEvent::MEDIA_TYPE,
        "payload": { "allOf": [
            { "$ref": format!("#/components/schemas/{ENVELOPE}") },
            { "properties": { "type": { "const": kind.r#type }, "data": to("#/components/schemas", kind) } },
        ] },
    });
    if let Some(event) = example(topic, kind) {
        message["examples"] = json!([{ "payload": event }]);
    }
    message
}

/// A reference to what bears a type's name in a part of the document.
fn to(part: &str, kind: &EventKind) -> Value {
    json!({ "$ref": format!("{part}/{}", kind.r#type) })
}

fn envelope() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    settings.into_generator().into_root_schema_for::<CloudEvent>().into()
}

#[cfg(test)]
mod tests {
    use domain::{Credits, ServiceName};
    use engine::Event;
    use schemars::JsonSchema;
    use serde::Serialize;

    use super::*;

    /// A tree has grown.
    #[derive(Serialize, JsonSchema)]
    struct Grown {
        /// To what height.
        to: Credits,
    }

    impl Event for Grown {
        const TYPE: &'static str = "order.grown";

        fn example() -> Self {
            Self { to: Credits::from(1) }
        }
    }

    fn forest() -> Catalogue {
        Catalogue::new("Forest", "1.2.3")
            .with(Topic::of(ServiceName::Order), vec![EventKind::new::<Grown>()])
            .with(Topic::of(ServiceName::Stock), Vec::new())
    }

    fn document() -> Value {
        forest().document()
    }

    /// Every reference in a value.
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(object) => {
                found.extend(object.get("$ref").and_then(Value::as_str));
                object.values().for_each(|value| references(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_to_something_in_the_document() {
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        // A channel's message, an operation's channel and message, and a message's envelope and data.
        assert_eq!(found.len(), 6, "{found:?}");
        for reference in found {
            let pointer = reference.strip_prefix('#').expect("a place in this document");
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    #[test]
    fn a_topic_is_a_channel_to_which_its_service_sends_its_events() {
        let document = document();
        assert_eq!(document["info"]["title"], "Forest events");
        assert_eq!(document["channels"]["order"]["address"], "order");
        assert_eq!(document["channels"]["item"]["messages"], json!({}));
        let operation = &document["operations"]["announce-order"];
        assert_eq!(operation["action"], "send");
        let sent = json!([{ "$ref": "#/channels/order/messages/order.grown" }]);
        assert_eq!(operation["messages"], sent);
        let alone = forest().only(Topic::of(ServiceName::Stock)).document();
        assert_eq!(alone["channels"].as_object().map(Map::len), Some(1));
    }

    #[test]
    fn a_message_is_described_and_shows_a_whole_event_that_names_its_schema() {
        let document = document();
        let message = &document["components"]["messages"]["order.grown"];
        assert_eq!(message["summary"], "A tree has grown.");
        let event = &message["examples"][0]["payload"];
        assert_eq!(
            (&event["type"], &event["data"]),
            (&json!("order.grown"), &json!({ "to": 1 }))
        );
        let schema = event["dataschema"]
            .as_str()
            .and_then(|place| place.strip_prefix("/asyncapi/order.json#"));
        let schema = document
            .pointer(schema.expect("a place in the document"))
            .expect("a schema");
        assert_eq!(schema["properties"]["to"]["description"], "To what height.");
    }

    #[test]
    fn the_envelope_says_what_each_event_has() {
        let envelope = &document()["components"]["schemas"][ENVELOPE];
        let required: Vec<&str> = envelope["required"]
            .as_array()
            .expect("names")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        for name in [
            "specversion",
            "id",
            "source",
            "type",
            "subject",
            "time",
            "sequence",
            "dataschema",
            "data",
        ] {
            assert!(required.contains(&name), "{name}");
        }
        assert!(
            !required.contains(&"correlationid"),
            "not every event follows from a request"
        );
        assert_eq!(envelope["properties"]["specversion"]["const"], "1.0");
    }
}
