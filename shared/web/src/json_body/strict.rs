//! JSON as every body has to be, whatever it says.

use std::fmt;

use serde::{
    Deserializer,
    de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

/// How deep a body may be nested. None of ours needs more than four.
const MAX_DEPTH: usize = 32;

/// The largest whole number that every client keeps exact: 2^53 - 1 (RFC 8259, 6).
const MAX_EXACT: u64 = 9_007_199_254_740_991;

/// Why a body is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadBody {
    /// There is none.
    #[error("the request has no body; a JSON object is needed")]
    Empty,
    /// It is no text.
    #[error("the body is not UTF-8 from byte {0} on")]
    NotUtf8(usize),
    /// It is no JSON, or none that we take.
    #[error("the body is refused: {0}")]
    Refused(String),
}

/// The value that a body is.
pub(super) fn parse(body: &[u8]) -> Result<Value, BadBody> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(BadBody::Empty);
    }
    let text = std::str::from_utf8(body).map_err(|error| BadBody::NotUtf8(error.valid_up_to()))?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let parsed = Strict { depth: 0 }.deserialize(&mut deserializer).and_then(|value| {
        deserializer.end()?;
        Ok(value)
    });
    parsed.map_err(|error| BadBody::Refused(error.to_string()))
}

/// One value, and how deep it lies.
struct Strict {
    depth: usize,
}

impl Strict {
    /// What is inside of this.
    fn inner<E: de::Error>(&self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(format_args!("it is nested deeper than {MAX_DEPTH}")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

fn not_whole<E: de::Error>() -> E {
    E::custom(format_args!(
        "a number is a whole one, of digits alone, from -{MAX_EXACT} to {MAX_EXACT}: neither 1.0 nor 1e3"
    ))
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
        if number > MAX_EXACT {
            return Err(not_whole());
        }
        Ok(number.into())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Value, E> {
        if number.unsigned_abs() > MAX_EXACT {
            return Err(not_whole());
        }
        Ok(number.into())
    }

    /// What has a fraction or an exponent, and what is beyond 64 bits. The amounts of Holdfast are whole.
    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Value, E> {
        Err(not_whole())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(element) = elements.next_element_seed(self.inner()?)? {
            array.push(element);
        }
        Ok(array.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            // Readers disagree on which one counts (RFC 8259, 4), so a gateway may have seen another one than we would.
            if object.contains_key(&name) {
                return Err(de::Error::custom(format_args!("the member `{name}` is there twice")));
            }
            let value = members.next_value_seed(self.inner()?)?;
            object.insert(name, value);
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(body: &str) -> String {
        parse(body.as_bytes()).expect_err("a refusal").to_string()
    }

    #[test]
    fn plain_json_is_taken_as_it_is() {
        let body = br#" {"a": [1, -2, true, null, "x"], "b": {"c": 9007199254740991}} "#;
        let value = json!({ "a": [1, -2, true, null, "x"], "b": { "c": MAX_EXACT } });
        assert_eq!(parse(body), Ok(value));
    }

    #[test]
    fn numbers_that_are_not_whole_or_not_exact_everywhere_are_told_what_is_allowed() {
        for number in [
            "1e3",
            "1E3",
            "1.0",
            "1.5",
            "-0",
            "9007199254740992",
            "-9007199254740992",
            "18446744073709551616",
            "1e400",
        ] {
            let told = refused(&format!(r#"{{"a": {number}}}"#));
            let is_told = told.contains("9007199254740991") || told.contains("number out of range");
            assert!(is_told, "{number}: {told}");
        }
        for other in ["01", "+1", "0x1", "NaN", "Infinity", ".5"] {
            refused(&format!(r#"{{"a": {other}}}"#));
        }
    }

    #[test]
    fn a_member_that_is_there_twice_is_named() {
        let told = refused(r#"{"a": 1, "b": {"c": 1, "\u0063": 2}}"#);
        assert!(told.contains("`c`"), "{told}");
    }

    #[test]
    fn what_is_nested_too_deeply_is_refused_before_it_is_kept() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        let told = refused(&nested(MAX_DEPTH + 1));
        assert!(told.contains("deeper than 32"), "{told}");
        refused(&nested(8_000));
        refused(&"{\"a\":".repeat(3_000));
    }

    #[test]
    fn what_is_no_json_is_told_where_it_ceases_to_be() {
        assert_eq!(parse(b""), Err(BadBody::Empty));
        assert_eq!(parse(b" \n"), Err(BadBody::Empty));
        assert_eq!(parse(b"{\"a\": \"\xff\"}"), Err(BadBody::NotUtf8(7)));
        for bad in [
            "{",
            "{}{}",
            "{\"a\"}",
            "{'a': 1}",
            "{\"a\": 1,}",
            "// x\n{}",
            "\u{feff}{}",
        ] {
            assert!(
                refused(bad).contains("line 1") || refused(bad).contains("line 2"),
                "{bad}"
            );
        }
    }
}
