//! Events as readers see them.

use domain::{CorrelationId, Timestamp, TraceParent};
use engine::Emitted;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::Topic;

/// An event in the form of CloudEvents 1.0.
///
/// `source` and `id` together name it: who sees them twice sees the same event twice. `sequence` counts the events of a
/// subject from 1, without a gap.
///
/// Source: <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md>, and its `sequence`, `partitioning` and
/// `distributed tracing` extensions.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CloudEvent {
    /// Always "1.0".
    #[schemars(extend("const" = "1.0"))]
    pub specversion: String,
    /// The subject and its event's number: `<subject>-<sequence>`. Without a full stop.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]{1,64}-[1-9][0-9]*$"))]
    pub id: String,
    /// Whose event it is: `/order`, `/stock`, `/payment`.
    #[schemars(extend("format" = "uri-reference"))]
    pub source: String,
    /// What happened: `order.paid`.
    pub r#type: String,
    /// What it happened to.
    pub subject: String,
    /// When, by the store's clock, as RFC 3339 writes it.
    #[schemars(extend("format" = "date-time"))]
    pub time: String,
    /// Always "application/json".
    #[schemars(extend("const" = "application/json"))]
    pub datacontenttype: String,
    /// Where the data's schema stands.
    #[schemars(extend("format" = "uri-reference"))]
    pub dataschema: String,
    /// The event's number within its subject, from 1.
    #[schemars(regex(pattern = r"^[1-9][0-9]*$"))]
    pub sequence: String,
    /// The subject again: events with the same key keep their order.
    pub partitionkey: String,
    /// The client's request that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub correlationid: Option<CorrelationId>,
    /// Where that request stood in its trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub traceparent: Option<TraceParent>,
    /// What the type says of it.
    #[schemars(with = "serde_json::Value")]
    pub data: Box<RawValue>,
}

impl CloudEvent {
    /// The media type of one in JSON.
    pub const MEDIA_TYPE: &str = "application/cloudevents+json";

    /// The event that an outbox holds.
    #[must_use]
    pub fn new(topic: Topic, emitted: Emitted) -> Self {
        Self {
            specversion: "1.0".into(),
            id: format!("{}-{}", emitted.subject, emitted.sequence),
            source: format!("/{}", topic.service()),
            dataschema: format!("{}#/components/schemas/{}", topic.document_path(), emitted.r#type),
            r#type: emitted.r#type,
            partitionkey: emitted.subject.clone(),
            subject: emitted.subject,
            time: emitted.time.to_rfc3339(),
            datacontenttype: "application/json".into(),
            sequence: emitted.sequence.to_string(),
            correlationid: emitted.correlation_id,
            traceparent: emitted.traceparent,
            data: emitted.data,
        }
    }

    /// The event's number within its subject; 0 if the text is none.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.sequence.parse().unwrap_or_default()
    }

    /// When it happened, in milliseconds; none if the text is no time.
    #[must_use]
    pub fn happened(&self) -> Option<Timestamp> {
        let time = OffsetDateTime::parse(&self.time, &Rfc3339).ok()?;
        let milliseconds = u64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok()?;
        Some(Timestamp::from_millis(milliseconds))
    }
}

#[cfg(test)]
mod tests {
    use domain::ServiceName;

    use super::*;

    #[test]
    fn what_the_outbox_holds_becomes_a_whole_cloud_event() {
        let text = br#"[{"type":"order.paid","subject":"7","sequence":3,"time":1700000000123,"data":{"total":5}}]"#;
        let emitted = engine::parse_events(text).expect("an entry").remove(0);
        let event = CloudEvent::new(Topic::of(ServiceName::Order), emitted);
        let text = serde_json::to_string(&event).expect("JSON");
        assert_eq!(
            text,
            "{\"specversion\":\"1.0\",\"id\":\"7-3\",\"source\":\"/order\",\"type\":\"order.paid\",\"subject\":\"7\",\
             \"time\":\"2023-11-14T22:13:20.123Z\",\"datacontenttype\":\"application/json\",\
             \"dataschema\":\"/asyncapi/order.json#/components/schemas/order.paid\",\"sequence\":\"3\",\
             \"partitionkey\":\"7\",\"data\":{\"total\":5}}"
        );
        assert_eq!(event.number(), 3);
    }
}
