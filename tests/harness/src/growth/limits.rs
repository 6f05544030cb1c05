//! Rules that bound a value: which change of one lets less pass than before.

use std::cmp::Ordering;

use serde_json::Value;

/// A bound that lets more pass the smaller it is.
const LEAST: [&str; 5] = ["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"];

/// A bound that lets more pass the larger it is.
const MOST: [&str; 5] = ["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"];

/// Rules that do nothing if they are not there: lifting one lets more pass.
const LIFTABLE: [&str; 5] = ["pattern", "format", "multipleOf", "uniqueItems", "additionalProperties"];

/// Why what was valid by a rule may not be so any more, or no longer what it was; `None` if all is as wide as before.
pub(super) fn narrowed(at: &str, rule: &str, older: Option<&Value>, newer: Option<&Value>) -> Option<String> {
    if older == newer {
        return None;
    }
    let (said, says) = (said(older), said(newer));
    let changed = format!("{rule} of {at} was {said} and is {says}");
    let is_bound = LEAST.contains(&rule) || MOST.contains(&rule);
    match (older, newer) {
        (Some(_), None) if is_bound || LIFTABLE.contains(&rule) => None,
        (Some(older), Some(newer)) if is_bound => {
            let wider = if LEAST.contains(&rule) {
                Ordering::Less
            } else {
                Ordering::Greater
            };
            (order(newer, older) != Some(wider)).then_some(changed)
        }
        // Everything else passes anyway where nothing forbids it.
        (None, Some(Value::Bool(true))) if rule == "additionalProperties" => None,
        _ => Some(changed),
    }
}

/// Two numbers, exactly if both are whole.
fn order(one: &Value, other: &Value) -> Option<Ordering> {
    let whole = |value: &Value| {
        value
            .as_i64()
            .map(i128::from)
            .or_else(|| value.as_u64().map(i128::from))
    };
    match (whole(one), whole(other)) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        _ => one.as_f64()?.partial_cmp(&other.as_f64()?),
    }
}

fn said(rule: Option<&Value>) -> String {
    rule.map_or_else(|| "not there".to_owned(), Value::to_string)
}
