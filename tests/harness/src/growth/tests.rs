use serde_json::{Value, json};

use super::broken;

/// A schema that has one of everything, as it was released.
fn released() -> Value {
    json!({
        "title": "Rejected",
        "description": "Words.",
        "type": "object",
        "properties": {
            "id": { "type": "string", "pattern": "^[a-z]+$" },
            "total": { "type": "integer", "minimum": 0, "maximum": 100 },
            "note": { "type": "string", "maxLength": 10 },
            "lines": { "type": "array", "items": {
                "type": "object",
                "properties": { "quantity": { "type": "integer", "minimum": 1 } },
                "required": ["quantity"],
            } },
            "size": { "type": "string", "enum": ["small", "large"] },
            "why": { "oneOf": [
                { "type": "object", "properties": { "gone": { "type": "object", "properties": { "item": { "type": "string" } },
                  "required": ["item"] } }, "required": ["gone"], "additionalProperties": false },
                { "type": "string", "enum": ["full", "closed"] },
            ] },
            "how": { "oneOf": [
                { "type": "object", "properties": { "kind": { "const": "cash" }, "paid": { "type": "integer" } }, "required": ["kind", "paid"] },
                { "type": "object", "properties": { "kind": { "const": "card" } }, "required": ["kind"] },
            ] },
        },
        "required": ["id", "total"],
    })
}

/// What is broken once the released schema has `value` at this place, or nothing there.
fn after(place: &str, value: Option<Value>) -> Vec<String> {
    let mut schema = released();
    let (parent, name) = place.rsplit_once('/').expect("a place");
    let parent = schema.pointer_mut(parent).expect("a parent");
    match (parent, value) {
        (Value::Object(parent), Some(value)) => _ = parent.insert(name.into(), value),
        (Value::Object(parent), None) => _ = parent.remove(name).expect("something to remove"),
        (Value::Array(parent), Some(value)) if name == "-" => parent.push(value),
        (Value::Array(parent), Some(value)) => parent[name.parse::<usize>().expect("a number")] = value,
        (Value::Array(parent), None) => _ = parent.remove(name.parse().expect("a number")),
        (other, _) => unreachable!("{other} has no parts"),
    }
    broken(&released(), &schema)
}

fn assert_breaks(place: &str, value: Option<Value>, said: &str) {
    let found = after(place, value);
    assert!(
        found.len() == 1 && found[0].contains(said),
        "{place}: {found:?} instead of one thing with {said:?}"
    );
}

#[track_caller]
fn assert_grows(place: &str, value: Option<Value>) {
    assert_eq!(after(place, value), Vec::<String>::new(), "{place}");
}

#[test]
fn a_schema_that_stays_as_it_is_breaks_nothing() {
    assert_eq!(broken(&released(), &released()), Vec::<String>::new());
}

#[test]
fn words_may_change() {
    assert_grows("/title", Some(json!("Refused")));
    assert_grows("/description", None);
    assert_grows("/properties/id/examples", Some(json!(["a"])));
}

#[test]
fn a_field_may_be_added() {
    assert_grows("/properties/more", Some(json!({ "type": "integer" })));
    assert_grows(
        "/properties/lines/items/properties/price",
        Some(json!({ "type": "integer" })),
    );
    assert_grows("/required/-", Some(json!("note")));
}

#[test]
fn no_field_may_disappear() {
    assert_breaks("/properties/note", None, "note is gone");
    assert_breaks(
        "/properties/lines/items/properties/quantity",
        None,
        "lines.quantity is gone",
    );
}

#[test]
fn no_field_may_change_its_type() {
    assert_breaks("/properties/total/type", Some(json!("string")), "type of total");
    assert_breaks(
        "/properties/total/type",
        Some(json!(["integer", "null"])),
        "type of total",
    );
    assert_breaks("/properties/total/type", None, "type of total");
    assert_breaks(
        "/properties/lines/items/type",
        Some(json!("array")),
        "type of each element of lines",
    );
    assert_breaks("/properties/lines/items", None, "items of lines");
    assert_breaks("/properties/note", Some(json!(true)), "note had the schema");
}

#[test]
fn no_field_may_become_optional() {
    assert_breaks("/required/0", None, "id was always there");
    assert_breaks("/required", Some(json!(["total"])), "id was always there");
    assert_breaks("/properties/lines/items/required", None, "quantity was always there");
}

#[test]
fn no_limit_may_become_narrower() {
    assert_breaks(
        "/properties/total/minimum",
        Some(json!(1)),
        "minimum of total was 0 and is 1",
    );
    assert_breaks("/properties/total/maximum", Some(json!(99)), "maximum of total");
    assert_breaks(
        "/properties/total/exclusiveMaximum",
        Some(json!(100)),
        "exclusiveMaximum of total was not there",
    );
    assert_breaks("/properties/total/multipleOf", Some(json!(2)), "multipleOf of total");
    assert_breaks("/properties/note/maxLength", Some(json!(9)), "maxLength of note");
    assert_breaks("/properties/note/minLength", Some(json!(1)), "minLength of note");
    assert_breaks("/properties/note/pattern", Some(json!("^a$")), "pattern of note");
    assert_breaks("/properties/id/pattern", Some(json!("^[a-c]+$")), "pattern of id");
    assert_breaks("/properties/note/format", Some(json!("uri")), "format of note");
    assert_breaks("/properties/lines/maxItems", Some(json!(500)), "maxItems of lines");
    assert_breaks(
        "/properties/lines/items/properties/quantity/minimum",
        Some(json!(2)),
        "minimum of",
    );
    assert_breaks(
        "/additionalProperties",
        Some(json!(false)),
        "additionalProperties of the event",
    );
}

#[test]
fn a_limit_may_become_wider() {
    assert_grows("/properties/total/minimum", Some(json!(-1)));
    assert_grows("/properties/total/maximum", Some(json!(9_223_372_036_854_775_807_i64)));
    assert_grows("/properties/total/maximum", None);
    assert_grows("/properties/note/maxLength", Some(json!(11)));
    assert_grows("/properties/id/pattern", None);
    assert_grows("/properties/why/oneOf/0/additionalProperties", None);
    assert_grows("/additionalProperties", Some(json!(true)));
}

#[test]
fn each_limit_is_narrower_in_its_own_direction_and_may_be_lifted() {
    let least = ["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"];
    let most = ["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"];
    let breaks = |older: Value, newer: Value| !broken(&older, &newer).is_empty();
    let directions = least
        .map(|name| (name, 2, 4))
        .into_iter()
        .chain(most.map(|name| (name, 4, 2)));
    for (name, wider, narrower) in directions {
        let limit = |value: i64| json!({ name: value });
        assert!(breaks(limit(3), limit(narrower)), "{name}");
        assert!(!breaks(limit(3), limit(wider)), "{name}");
        assert!(breaks(json!({}), limit(3)), "{name}");
        assert!(!breaks(limit(3), json!({})), "{name}");
    }
    for (name, value) in [
        ("pattern", json!("^a$")),
        ("format", json!("uri")),
        ("multipleOf", json!(2)),
        ("uniqueItems", json!(true)),
        ("additionalProperties", json!(false)),
    ] {
        assert!(breaks(json!({}), json!({ name: value })), "{name}");
        assert!(!breaks(json!({ name: value }), json!({})), "{name}");
    }
}

#[test]
fn large_limits_are_compared_exactly() {
    let schema = |most: u64| json!({ "maximum": most });
    assert_eq!(broken(&schema(u64::MAX), &schema(u64::MAX - 1)).len(), 1);
    assert_eq!(broken(&schema(u64::MAX - 1), &schema(u64::MAX)), Vec::<String>::new());
}

#[test]
fn a_variant_may_be_added() {
    assert_grows("/properties/size/enum/-", Some(json!("medium")));
    assert_grows(
        "/properties/why/oneOf/-",
        Some(json!({ "type": "string", "const": "late" })),
    );
    assert_grows("/properties/why/oneOf/1/enum/-", Some(json!("late")));
    let wire = json!({ "type": "object", "properties": { "kind": { "const": "wire" } }, "required": ["kind"] });
    assert_grows("/properties/how/oneOf/-", Some(wire));
}

#[test]
fn a_listed_variant_may_get_words_of_its_own() {
    let mut schema = released();
    schema["properties"]["why"]["oneOf"][1] = json!({ "type": "string", "const": "full", "description": "No room." });
    let variants = schema["properties"]["why"]["oneOf"].as_array_mut().expect("variants");
    variants.push(json!({ "type": "string", "const": "closed" }));
    assert_eq!(broken(&released(), &schema), Vec::<String>::new());
}

#[test]
fn no_variant_may_disappear() {
    assert_breaks("/properties/size/enum/0", None, "size can no longer be \"small\"");
    assert_breaks("/properties/why/oneOf/0", None, "why can no longer be gone");
    assert_breaks(
        "/properties/why/oneOf/1/enum/1",
        None,
        "why can no longer be \"closed\"",
    );
    assert_breaks("/properties/how/oneOf/1", None, "how can no longer be kind \"card\"");
    assert_breaks("/properties/how/oneOf", None, "how had alternatives");
}

#[test]
fn nothing_in_a_variant_may_break() {
    let gone = "/properties/why/oneOf/0/properties/gone";
    assert_breaks(&format!("{gone}/properties/item"), None, "item is gone");
    assert_breaks(&format!("{gone}/required/0"), None, "item was always there");
    assert_breaks(
        "/properties/how/oneOf/0/properties/paid/type",
        Some(json!("string")),
        "type of how as kind \"cash\".paid",
    );
    assert_grows(&format!("{gone}/properties/name"), Some(json!({ "type": "string" })));
}

#[test]
fn what_was_free_may_not_be_listed() {
    assert_breaks("/properties/note/enum", Some(json!(["a"])), "note could be anything");
    assert_breaks("/properties/note/const", Some(json!("a")), "note could be anything");
}

#[test]
fn a_rule_that_is_not_known_may_not_change() {
    assert_breaks("/not", Some(json!({ "type": "array" })), "not of the event");
    assert_breaks("/properties/id/$ref", Some(json!("#/other")), "$ref of id");
}
