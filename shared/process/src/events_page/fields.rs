//! A JSON Schema as rows of a table: one for each field, however deep.

use serde_json::Value;

/// One field, as a person reads it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// Where it is: `lines[].item_id`.
    pub(crate) path: String,
    /// What its values look like.
    pub(crate) form: String,
    /// What it means.
    pub(crate) says: String,
    /// Whether what it is in always has it.
    pub(crate) is_required: bool,
}

/// The fields of what the schema describes.
pub(crate) fn fields(schema: &Value) -> Vec<Field> {
    let mut found = Vec::new();
    add_inside(schema, "", "", &mut found);
    found
}

/// Adds the fields of an object, of the elements of an array, and of each of several alternatives. What is said of an
/// alternative is said of the field that makes it one, which has no words of its own.
fn add_inside(schema: &Value, path: &str, said: &str, found: &mut Vec<Field>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        let required = schema["required"].as_array().into_iter().flatten();
        found.push(Field {
            form: form(field),
            says: says(field).unwrap_or(said).to_owned(),
            is_required: required.into_iter().any(|required| required == name),
            path: path.clone(),
        });
        add_inside(field, &path, "", found);
    }
    if schema["items"].is_object() {
        add_inside(&schema["items"], &format!("{path}[]"), "", found);
    }
    for alternative in alternatives(schema) {
        let said = says(alternative).unwrap_or_default();
        if alternative.get("const").is_some() {
            found.push(Field {
                path: path.to_owned(),
                form: form(alternative),
                says: said.to_owned(),
                is_required: true,
            });
        }
        add_inside(alternative, path, said, found);
    }
}

fn alternatives(schema: &Value) -> impl Iterator<Item = &Value> {
    let lists = ["oneOf", "anyOf"]
        .into_iter()
        .filter_map(|name| schema[name].as_array());
    lists.flatten()
}

fn says(schema: &Value) -> Option<&str> {
    schema["description"].as_str()
}

fn form(schema: &Value) -> String {
    if let Some(value) = schema.get("const") {
        return value.to_string();
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(Value::to_string).collect::<Vec<_>>().join(" or ");
    }
    if alternatives(schema).next().is_some() {
        return "one of the following".into();
    }
    let kind = match &schema["type"] {
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => "anything".into(),
    };
    match (kind.as_str(), &schema["pattern"], &schema["minimum"]) {
        ("array", ..) => format!("list of {}", form(&schema["items"])),
        (_, Value::String(pattern), _) => format!("{kind} like {pattern}"),
        (_, _, Value::Number(least)) => format!("{kind}, at least {least}"),
        _ => kind,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_is_found_however_deep_it_is() {
        let schema = json!({
            "properties": {
                "lines": { "type": "array", "items": { "type": "object", "properties": { "item_id": { "type": "string" } } } },
                "total": { "type": "integer", "minimum": 0, "description": "What it costs." },
                "why": { "oneOf": [
                    { "type": "object", "properties": { "gone": { "type": "object" } }, "required": ["gone"], "description": "It is gone." },
                    { "type": "string", "const": "full", "description": "No room." },
                ] },
            },
            "required": ["total"],
        });
        let found = fields(&schema);
        let rows: Vec<(&str, &str)> = found.iter().map(|field| (&*field.path, &*field.form)).collect();
        assert_eq!(
            rows,
            [
                ("lines", "list of object"),
                ("lines[].item_id", "string"),
                ("total", "integer, at least 0"),
                ("why", "one of the following"),
                ("why.gone", "object"),
                ("why", "\"full\""),
            ]
        );
        assert_eq!((found[2].says.as_str(), found[2].is_required), ("What it costs.", true));
        assert!(!found[0].is_required);
        assert_eq!(
            (found[4].says.as_str(), found[5].says.as_str()),
            ("It is gone.", "No room.")
        );
    }
}
