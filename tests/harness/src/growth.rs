//! What a reader of an event's schema relies on, and whether a newer schema still keeps it.
//!
//! A schema may only grow. Readers that know the older one read new events by it, and readers that know the newer one read
//! old events, which stay in the streams. So whatever the older one promises, the newer one promises as well, and whatever
//! the older one lets pass, passes still:
//!
//! | of | allowed | breaks |
//! |---|---|---|
//! | a field | a new one | it goes, changes its type, or may be missing where it was always there |
//! | an alternative | a new one | it goes, or something in it breaks |
//! | a limit | it is lifted or widened | it is new, or narrower |
//! | any other rule | | it changes |
//! | words | any change | |

mod limits;

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use self::limits::narrowed;

/// What only says something to people.
const WORDS: [&str; 7] = [
    "$schema",
    "$comment",
    "title",
    "description",
    "default",
    "example",
    "examples",
];

/// What the newer schema of something breaks of its older one, in words: nothing, if it has only grown.
#[must_use]
pub fn broken(older: &Value, newer: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("the event", older, newer, &mut found);
    found
}

fn compare(at: &str, older: &Value, newer: &Value, found: &mut Vec<String>) {
    let (Some(old), Some(new)) = (older.as_object(), newer.as_object()) else {
        // `true` and `false` are schemas, too.
        if older != newer {
            found.push(format!("{at} had the schema {older} and has {newer}"));
        }
        return;
    };
    let names: BTreeSet<&str> = old.keys().chain(new.keys()).map(String::as_str).collect();
    for name in names.into_iter().filter(|name| !WORDS.contains(name)) {
        match name {
            "properties" => compare_fields(at, old, new, found),
            "required" => compare_required(at, old, new, found),
            "oneOf" | "anyOf" | "enum" | "const" => {}
            "items" if old.contains_key(name) && new.contains_key(name) => {
                compare(&format!("each element of {at}"), &old[name], &new[name], found);
            }
            _ => found.extend(narrowed(at, name, old.get(name), new.get(name))),
        }
    }
    compare_alternatives(at, old, new, found);
}

fn compare_fields(at: &str, old: &Map<String, Value>, new: &Map<String, Value>, found: &mut Vec<String>) {
    let fields = |schema: &Map<String, Value>| {
        schema
            .get("properties")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default()
    };
    let new = fields(new);
    for (name, field) in fields(old) {
        let at = field_of(at, &name);
        match new.get(&name) {
            Some(newer) => compare(&at, &field, newer, found),
            None => found.push(format!("{at} is gone")),
        }
    }
}

fn compare_required(at: &str, old: &Map<String, Value>, new: &Map<String, Value>, found: &mut Vec<String>) {
    let required = |schema: &Map<String, Value>| {
        schema
            .get("required")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let new = required(new);
    for name in required(old).iter().filter(|name| !new.contains(name)) {
        let at = field_of(at, name.as_str().unwrap_or_default());
        found.push(format!("{at} was always there, and may be missing"));
    }
}

fn field_of(at: &str, name: &str) -> String {
    if at == "the event" {
        name.to_owned()
    } else {
        format!("{at}.{name}")
    }
}

/// Each alternative of the older schema has to be one of the newer, which may have more.
fn compare_alternatives(at: &str, old: &Map<String, Value>, new: &Map<String, Value>, found: &mut Vec<String>) {
    let (old, new) = (alternatives(old), alternatives(new));
    if old.is_empty() && !new.is_empty() {
        found.push(format!(
            "{at} could be anything of its type, and has to be one of several"
        ));
    }
    if new.is_empty() {
        // Nothing is left that says what it may be: whatever the alternatives let pass, the rest of the schema does.
        if old.iter().any(|alternative| alternative.get("const").is_none()) {
            found.push(format!("{at} had alternatives, and has none"));
        }
        return;
    }
    for alternative in old {
        let name = name_of(&alternative);
        match new.iter().find(|newer| name_of(newer) == name) {
            Some(newer) => compare(
                &format!("{at} as {name}"),
                &without_const(&alternative),
                &without_const(newer),
                found,
            ),
            None => found.push(format!("{at} can no longer be {name}")),
        }
    }
}

/// The alternatives that a schema names, with each value of an `enum` as one of its own.
fn alternatives(schema: &Map<String, Value>) -> Vec<Value> {
    let nested = ["oneOf", "anyOf"]
        .into_iter()
        .filter_map(|name| schema.get(name)?.as_array());
    let nested = nested.flatten().flat_map(|schema| {
        let listed = schema.as_object().filter(|schema| schema.contains_key("enum"));
        listed.map_or_else(|| vec![schema.clone()], values)
    });
    nested.chain(values(schema)).collect()
}

/// The values that an `enum` or a `const` lists, each as a schema.
fn values(schema: &Map<String, Value>) -> Vec<Value> {
    let listed = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
    listed
        .chain(schema.get("const"))
        .map(|value| json!({ "const": value }))
        .collect()
}

/// The type of a value that is listed follows from the value.
fn without_const(schema: &Value) -> Value {
    if schema.get("const").is_some() {
        json!({})
    } else {
        schema.clone()
    }
}

/// What tells an alternative from the others: its value, the value of its tag, the field that only it has, or its type.
fn name_of(alternative: &Value) -> String {
    if let Some(value) = alternative.get("const") {
        return value.to_string();
    }
    let fields = alternative["properties"].as_object().into_iter().flatten();
    let tag = fields
        .clone()
        .find_map(|(name, field)| Some(format!("{name} {}", field.get("const")?)));
    let only = alternative["required"]
        .as_array()
        .filter(|required| required.len() == 1);
    tag.or_else(|| only.and_then(|required| Some(required[0].as_str()?.to_owned())))
        .unwrap_or_else(|| alternative["type"].to_string())
}

#[cfg(test)]
mod tests;
