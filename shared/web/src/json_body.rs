//! The body of a call: JSON of one documented form, and nothing besides.
//!
//! A body is read in two steps. [`strict`] takes what every body has to be: UTF-8, valid JSON, no member twice, whole numbers
//! that every client keeps exact, and not nested without end. Then serde takes what this call asks for, and tells by its
//! path which member is wrong. A request type refuses members that it does not know: it derives `Object` and `Deserialize`,
//! both with `deny_unknown_fields`.

mod strict;

use poem::{Request, RequestBody};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaMediaType, MetaRequest, Registry},
    types::Type,
};
use serde::de::DeserializeOwned;

use crate::{MALFORMED, NOT_JSON, Problem};

/// The media type, as documents name it.
const MEDIA_TYPE: &str = "application/json";

/// A call's body. The call's catalogue lists [`MALFORMED`] and [`NOT_JSON`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonBody<T>(pub T);

impl<'a, T: Type + DeserializeOwned> ApiExtractor<'a> for JsonBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(MetaRequest {
            description: None,
            content: vec![MetaMediaType {
                content_type: MEDIA_TYPE,
                schema: T::schema_ref(),
            }],
            required: true,
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        if !is_json(request.content_type()) {
            return Err(not_json(request.content_type()).into());
        }
        let body = body.take()?.into_vec().await?;
        Ok(Self(parse(&body)?))
    }
}

/// Whether a body is said to be JSON: any parameter that says something else than UTF-8 is refused (RFC 8259, 8.1).
fn is_json(content_type: Option<&str>) -> bool {
    let Some(told) = content_type else {
        return false;
    };
    let mut parts = told.split(';').map(str::trim);
    let is_type = parts.next().is_some_and(|told| told.eq_ignore_ascii_case(MEDIA_TYPE));
    let is_utf_8 = |parameter: &str| match parameter.split_once('=') {
        Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
            value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    };
    is_type && parts.all(is_utf_8)
}

fn not_json(content_type: Option<&str>) -> Problem {
    let told = content_type.map_or_else(
        || "there is no Content-Type".to_owned(),
        |told| format!("the Content-Type is {told:?}"),
    );
    Problem::new(&NOT_JSON, format!("{told}; it has to be {MEDIA_TYPE}"))
}

/// What a body holds.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let value = strict::parse(body).map_err(|bad| Problem::new(&MALFORMED, bad.to_string()))?;
    serde_path_to_error::deserialize(value).map_err(|error| {
        let place = match error.path().to_string() {
            whole if whole == "." => "the body".to_owned(),
            member => format!("the body's {member}"),
        };
        Problem::new(&MALFORMED, format!("{place}: {}", in_words(&error.inner().to_string())))
    })
}

/// What serde says, without the names that types have in the program.
fn in_words(said: &str) -> String {
    ["i64", "u64", "i32", "u32", "u16", "usize"]
        .iter()
        .fold(said.to_owned(), |said, name| {
            said.replace(&format!("expected {name}"), "expected a whole number")
        })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Line {
        item_id: String,
        quantity: i64,
    }

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        lines: Vec<Line>,
    }

    fn refused(body: &str) -> String {
        let problem = parse::<Order>(body.as_bytes()).expect_err("a refusal");
        assert_eq!(problem.kind, &MALFORMED);
        problem.detail
    }

    #[test]
    fn a_body_of_the_documented_form_is_taken() {
        let order: Order = parse(br#"{"lines": [{"item_id": "a", "quantity": 9007199254740991}]}"#).expect("an order");
        assert_eq!(order.lines[0].quantity, 9_007_199_254_740_991);
    }

    #[test]
    fn a_member_that_is_unknown_or_missing_is_named_with_those_that_there_are() {
        let unknown = refused(r#"{"lines": [{"item_id": "a", "quantity": 1, "colour": "red"}]}"#);
        for part in ["lines[0]", "`colour`", "`item_id` or `quantity`"] {
            assert!(unknown.contains(part), "{unknown}");
        }
        let missing = refused(r#"{"lines": [{"item_id": "a"}]}"#);
        assert!(
            missing.contains("lines[0]") && missing.contains("`quantity`"),
            "{missing}"
        );
    }

    #[test]
    fn a_member_of_the_wrong_type_is_named_with_what_it_has_to_be() {
        let wrong = refused(r#"{"lines": [{"item_id": "a", "quantity": "1"}]}"#);
        assert!(wrong.contains("lines[0].quantity"), "{wrong}");
        assert!(wrong.contains("whole number"), "{wrong}");
        let whole = refused("[]");
        assert!(whole.starts_with("the body"), "{whole}");
    }

    #[test]
    fn only_json_in_utf_8_is_taken_for_json() {
        for json in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
        ] {
            assert!(is_json(Some(json)), "{json}");
        }
        for other in [
            "text/plain",
            "application/jsonp",
            "application/problem+json",
            "application/json; charset=latin1",
            "application/x-www-form-urlencoded",
            "",
        ] {
            assert!(!is_json(Some(other)), "{other}");
        }
        assert!(!is_json(None));
        assert!(not_json(None).detail.contains(MEDIA_TYPE));
    }
}
