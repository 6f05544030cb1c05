//! The OpenAPI document as it is served: poem-openapi's, made fit for strict readers.

use poem_openapi::{OpenApi, OpenApiService};
use serde_json::{Map, Value};

/// The largest whole number that JavaScript keeps exact: 2^53 - 1.
const MAX_EXACT: i64 = 9_007_199_254_740_991;

/// What every document says first, after what its service is.
const PREFACE: &str = "
Successes are 200. Every refusal is a problem (RFC 9457) that says in words what to do. `Retry-After` stands with an \
answer only if asking again cannot make a change twice. Under the same `Idempotency-Key` a call may be repeated for a \
day: it changes nothing more, and hears the first answer again, with `Idempotent-Replayed: true`. What was not decided (429, 503, \
malformed) is tried again. Without a key, only the checkout and the batch_init calls may be repeated.

Amounts are whole numbers up to 9223372036854775807. JavaScript, and with it the page /docs, rounds those above \
9007199254740991 when it shows them; the answers are exact.";

/// A service's documentation, in its two forms.
pub struct Documentation {
    /// The document.
    pub document: Value,
    /// The page on which calls can be tried.
    pub page: String,
}

impl Documentation {
    /// The documentation of this API.
    #[must_use]
    pub fn new<A: OpenApi + 'static>(api: &OpenApiService<A, ()>) -> Self {
        let plain = api.spec();
        let mut document = serde_json::from_str(&plain).unwrap_or_default();
        amend(&mut document);
        let page = api.swagger_ui_html().replace(&plain, &document.to_string());
        Self { document, page }
    }
}

fn amend(document: &mut Value) {
    // Relative to where the document was found, so behind a gateway too.
    document["servers"] = serde_json::json!([{ "url": "/" }]);
    if let Some(Value::String(description)) = document.pointer_mut("/info/description") {
        *description = format!("{description}\n{PREFACE}");
    }
    each_object(document, &mut |object| {
        if let Some(Value::Object(content)) = object.get_mut("content") {
            *content = std::mem::take(content).into_iter().map(without_parameters).collect();
        }
        if object.get("format") == Some(&"int64".into()) {
            warn_of_rounding(object);
        }
    });
}

/// `text/plain; charset=utf-8` is a media type with a parameter, and a key that few readers find.
fn without_parameters((media_type, content): (String, Value)) -> (String, Value) {
    let plain = media_type.split(';').next().unwrap_or_default().trim_end().to_owned();
    (plain, content)
}

fn warn_of_rounding(schema: &mut Map<String, Value>) {
    let said = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let note = format!("JavaScript, and with it this page, rounds what is above {MAX_EXACT}.");
    let description = format!("{said}\n\n{note}");
    schema.insert("description".into(), description.trim_start().into());
}

fn each_object(value: &mut Value, change: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            change(object);
            object.values_mut().for_each(|value| each_object(value, change));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| each_object(value, change)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_has_a_server_plain_media_types_and_says_what_javascript_rounds() {
        let mut document = json!({
            "info": { "description": "Things." },
            "servers": [],
            "paths": { "/a": { "get": { "responses": { "200": { "content": {
                "application/json; charset=utf-8": { "schema": { "type": "integer", "format": "int64" } },
                "text/plain": {},
            } } } } } },
        });
        amend(&mut document);
        assert_eq!(document["servers"], json!([{ "url": "/" }]));
        let content = &document["paths"]["/a"]["get"]["responses"]["200"]["content"];
        assert!(content["text/plain"].is_object());
        let schema = &content["application/json"]["schema"];
        let most = MAX_EXACT.to_string();
        assert!(schema["description"].as_str().is_some_and(|text| text.contains(&most)));
        assert!(
            document["info"]["description"]
                .as_str()
                .is_some_and(|text| text.contains("Idempotency-Key"))
        );
    }
}
