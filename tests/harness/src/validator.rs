use std::collections::BTreeMap;

use jsonschema::Draft;
use serde_json::{Value, json};

/// Holds events against an `AsyncAPI` document: each against the payload of the message that has its type's name.
pub struct Validator {
    types: BTreeMap<String, jsonschema::Validator>,
}

impl Validator {
    /// One for the messages of a document.
    ///
    /// # Panics
    /// If a schema is none, or refers to something that is not in the document.
    #[must_use]
    pub fn new(document: &Value) -> Self {
        let messages = document["components"]["messages"].as_object();
        let types = messages.into_iter().flatten().map(|(name, _)| {
            // With all components beside the payload, so that it finds what it refers to.
            let schema = json!({
                "$ref": format!("#/components/messages/{name}/payload"),
                "components": document["components"],
            });
            // AsyncAPI's schemas are those of this draft, and a superset.
            let built = jsonschema::options()
                .with_draft(Draft::Draft7)
                .should_validate_formats(true)
                .build(&schema);
            (name.clone(), built.expect("a schema"))
        });
        Self { types: types.collect() }
    }

    /// The types of events that it knows.
    pub fn types(&self) -> impl Iterator<Item = &str> {
        self.types.keys().map(String::as_str)
    }

    /// Whether an event is as the document says.
    ///
    /// # Errors
    /// All that is wrong with it, in words; or that its type is not in the document.
    pub fn check(&self, event: &Value) -> Result<(), String> {
        let name = event["type"].as_str().unwrap_or_default();
        let Some(validator) = self.types.get(name) else {
            return Err(format!("no message has the type {name:?}"));
        };
        let wrong = validator.iter_errors(event);
        let wrong: Vec<String> = wrong
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(wrong.join("; "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validator() -> Validator {
        Validator::new(&json!({ "components": {
            "messages": { "tree.grown": { "payload": { "allOf": [
                { "$ref": "#/components/schemas/Envelope" },
                { "properties": { "data": { "$ref": "#/components/schemas/tree.grown" } } },
            ] } } },
            "schemas": {
                "Envelope": {
                    "properties": { "time": { "type": "string", "format": "date-time" } },
                    "required": ["time", "data"],
                },
                "tree.grown": { "properties": { "to": { "type": "integer", "minimum": 0 } }, "required": ["to"] },
            },
        } }))
    }

    #[test]
    fn an_event_is_held_against_its_envelope_its_data_and_their_formats() {
        let validator = validator();
        assert_eq!(validator.types().collect::<Vec<_>>(), ["tree.grown"]);
        let event = |time: &str, data: Value| json!({ "type": "tree.grown", "time": time, "data": data });
        let time = "2026-01-01T00:00:00Z";
        assert_eq!(validator.check(&event(time, json!({ "to": 3, "more": 1 }))), Ok(()));
        for (event, wrong) in [
            (event(time, json!({ "to": -1 })), "/data/to"),
            (event(time, json!({})), "/data"),
            (event("yesterday", json!({ "to": 3 })), "/time"),
            (json!({ "type": "tree.grown", "data": { "to": 3 } }), "time"),
            (json!({ "type": "tree.felled" }), "tree.felled"),
        ] {
            let said = validator.check(&event).expect_err("something is wrong");
            assert!(said.contains(wrong), "{said}");
        }
    }
}
