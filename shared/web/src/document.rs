//! The OpenAPI document as it is served: poem-openapi's, made fit for strict readers.

use poem_openapi::{OpenApi, OpenApiService};
use principals::Scope;
use serde_json::{Map, Value};

use crate::authentication::SCHEME;

/// The largest whole number that JavaScript keeps exact: 2^53 - 1.
const MAX_EXACT: i64 = 9_007_199_254_740_991;

/// What every document says first, after what its service is.
const PREFACE: &str = "
Successes are 200, and below /v1 also 201, 202 and 204. Every refusal is a problem (RFC 9457) that says in words what to \
do. `Retry-After` stands with an answer only if asking again cannot make a change twice. Under the same `Idempotency-Key` a call may be repeated for a \
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
    if let Some(Value::Object(paths)) = document.get_mut("paths") {
        let operations = paths.values_mut().filter_map(Value::as_object_mut);
        operations.flat_map(Map::values_mut).for_each(tell_scope);
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

/// The scope that an operation needs stands in it as the name of a security scheme, because a document may give scopes to
/// OAuth alone. It is told in words and as `x-required-scope`, and the scheme becomes the one that there is.
fn tell_scope(operation: &mut Value) {
    let needed = operation.pointer("/security/0").and_then(Value::as_object);
    let Some(scope) = needed.and_then(|needed| needed.keys().next()?.parse::<Scope>().ok()) else {
        return;
    };
    operation["security"] = serde_json::json!([{ SCHEME: [] }]);
    operation["x-required-scope"] = scope.as_str().into();
    let said = operation["description"].as_str().unwrap_or_default();
    operation["description"] = format!("{said}\n\nNeeds the scope `{scope}`.").trim_start().into();
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
    fn an_operation_says_which_scope_it_needs_and_has_a_scheme_that_there_is() {
        let mut document = json!({
            "info": {},
            "paths": { "/a": {
                "get": { "description": "Gets.", "security": [{ "orders:read": [] }] },
                "post": { "security": [{ "bearer": [] }] },
            } },
        });
        amend(&mut document);
        let operations = &document["paths"]["/a"];
        assert_eq!(operations["get"]["security"], json!([{ "bearer": [] }]));
        assert_eq!(operations["get"]["x-required-scope"], "orders:read");
        assert_eq!(
            operations["get"]["description"],
            "Gets.\n\nNeeds the scope `orders:read`."
        );
        assert_eq!(operations["post"], json!({ "security": [{ "bearer": [] }] }));
    }

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
