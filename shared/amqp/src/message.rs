//! An event as a message of AMQP.

use bus::CloudEvent;
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, ShortString},
};
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// What the names of attributes begin with among the headers.
const PREFIX: &str = "cloudEvents:";

/// A message that the broker keeps on disk.
const PERSISTENT: u8 = 2;

/// What names an event among all messages: its source and id. Who sees it twice sees the same event twice.
#[must_use]
pub fn message_id(event: &CloudEvent) -> String {
    format!("{}/{}", event.source, event.id)
}

/// The properties of the message whose body is the event's data: CloudEvents' binary mode.
///
/// The binding is written for AMQP 1.0. RabbitMQ takes the headers of AMQP 0-9-1 for its application properties, and
/// `content_type` for the one of the same name, so readers of either version find the event where the binding says. Of
/// the two prefixes that later drafts allow, `cloudEvents:` is the one that readers by 1.0.2 know.
///
/// Sources: <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/amqp-protocol-binding.md>,
/// <https://www.rabbitmq.com/docs/conversions>
pub(crate) fn properties(event: &CloudEvent) -> BasicProperties {
    let mut properties = BasicProperties::default()
        .with_content_type(short(&event.datacontenttype))
        .with_delivery_mode(PERSISTENT)
        .with_message_id(short(&message_id(event)))
        .with_type(short(&event.r#type))
        .with_app_id("holdfast".into())
        .with_headers(headers(event));
    if let Some(seconds) = seconds(&event.time) {
        properties = properties.with_timestamp(seconds);
    }
    match &event.correlationid {
        Some(cause) => properties.with_correlation_id(short(&cause.to_string())),
        None => properties,
    }
}

/// Every attribute but those that have a place of their own, as the event's JSON names them: one that is added to the
/// event later is added here by itself.
fn headers(event: &CloudEvent) -> FieldTable {
    let mut headers = FieldTable::default();
    let Ok(Value::Object(attributes)) = serde_json::to_value(event) else {
        return headers;
    };
    let of_their_own = ["data", "datacontenttype"];
    for (name, value) in attributes {
        if let Value::String(text) = value
            && !of_their_own.contains(&name.as_str())
        {
            headers.insert(short(&format!("{PREFIX}{name}")), AMQPValue::LongString(text.into()));
        }
    }
    headers
}

/// AMQP's timestamps count seconds.
fn seconds(time: &str) -> Option<u64> {
    let time = OffsetDateTime::parse(time, &Rfc3339).ok()?;
    time.unix_timestamp().try_into().ok()
}

/// A text for a property that holds 255 bytes. What is longer is left out there: the headers have it whole.
fn short(text: &str) -> ShortString {
    ShortString::try_new(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"specversion":"1.0","id":"7-3","source":"/order","type":"order.paid","subject":"7",
        "time":"2023-11-14T22:13:20.123Z","datacontenttype":"application/json","dataschema":"/s","sequence":"3",
        "partitionkey":"7","correlationid":"a-cause","data":{"total":5}}"#;

    #[test]
    fn an_event_has_its_attributes_where_the_binding_says() {
        let event: CloudEvent = serde_json::from_str(EVENT).expect("an event");
        let properties = properties(&event);
        let text = |property: &Option<ShortString>| property.as_ref().map(ToString::to_string);
        assert_eq!(text(properties.content_type()).as_deref(), Some("application/json"));
        assert_eq!(text(properties.message_id()).as_deref(), Some("/order/7-3"));
        assert_eq!(text(properties.kind()).as_deref(), Some("order.paid"));
        assert_eq!(text(properties.correlation_id()).as_deref(), Some("a-cause"));
        assert_eq!(*properties.timestamp(), Some(1_700_000_000));
        assert_eq!(*properties.delivery_mode(), Some(2));
        let headers = properties.headers().clone().unwrap_or_default();
        let names: Vec<_> = headers.inner().keys().map(ToString::to_string).collect();
        assert_eq!(
            names,
            [
                "correlationid",
                "dataschema",
                "id",
                "partitionkey",
                "sequence",
                "source",
                "specversion",
                "subject",
                "time",
                "type"
            ]
            .map(|name| format!("cloudEvents:{name}"))
        );
        let time = headers.inner().get("cloudEvents:time");
        assert_eq!(time, Some(&AMQPValue::LongString("2023-11-14T22:13:20.123Z".into())));
    }
}
