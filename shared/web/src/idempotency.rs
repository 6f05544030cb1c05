//! Requests that may be sent again: what the client's `Idempotency-Key` says, and what its answer says of it.
//!
//! [`ReadIdempotencyKey`](crate::middleware::ReadIdempotencyKey) makes the key a
//! [`KeyedRequest`], which the operation gives to the engine with its command. A key counts for one caller, method and path.
//!
//! Sources: draft-ietf-httpapi-idempotency-key-header,
//! <https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/>; RFC 9651, "Structured Field Values".

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use engine::{EngineError, KeyedRequest, Once};
use poem::{Request, RequestBody, http::HeaderMap};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaParamIn, MetaSchema, MetaSchemaRef},
};

use crate::{IDEMPOTENCY_KEY_REUSED, OUTCOME_UNKNOWN, Problem, ProblemKind};

/// The header that names a request.
pub(crate) const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
/// The header of an answer that was given before.
pub(crate) const REPLAYED: &str = "Idempotent-Replayed";
/// How long a key may be, in characters.
const MAX_KEY: usize = 255;

/// The form of the header, as a regular expression: a key in quotes, or a bare one.
const FORM: &str = r#"^("([ !#-\[\]-~]|\\["\\]){1,255}"|[!#-+\--:<-\[\]-~]{1,255})$"#;

/// A change whose outcome is unknown, and that a key keeps from being made twice.
const UNKNOWN_UNDER_A_KEY: ProblemKind = OUTCOME_UNKNOWN.safe_to_repeat();

/// The header is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadKey {
    #[error("Idempotency-Key is there more than once")]
    Repeated,
    #[error("Idempotency-Key has {0} characters; 1 to {MAX_KEY} are allowed")]
    Length(usize),
    #[error(
        "Idempotency-Key is a string in quotes, of printable ASCII characters, in which \\ stands before \" and \\: for example \"8e03978e-40d5-43dd-bc93-6894a57f9324\""
    )]
    Form,
}

/// The key, if there is one.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<String>, BadKey> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(BadKey::Repeated);
    }
    let text = value.to_str().map_err(|_| BadKey::Form)?.trim();
    let key = match text.strip_prefix('"') {
        Some(rest) => unquoted(rest)?,
        None => bare(text)?,
    };
    match key.len() {
        1..=MAX_KEY => Ok(Some(key)),
        length => Err(BadKey::Length(length)),
    }
}

/// What a structured field's string holds, after its first quote.
fn unquoted(rest: &str) -> Result<String, BadKey> {
    let mut key = String::with_capacity(rest.len());
    let mut characters = rest.chars();
    loop {
        match characters.next() {
            Some('"') if characters.as_str().is_empty() => return Ok(key),
            Some('\\') => key.push(
                characters
                    .next()
                    .filter(|next| matches!(next, '"' | '\\'))
                    .ok_or(BadKey::Form)?,
            ),
            Some('"') | None => return Err(BadKey::Form),
            Some(printable @ ' '..='~') => key.push(printable),
            Some(_) => return Err(BadKey::Form),
        }
    }
}

/// A key without quotes, which many clients send.
fn bare(text: &str) -> Result<String, BadKey> {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b',' | b';');
    if text.bytes().all(is_plain) {
        Ok(text.to_owned())
    } else {
        Err(BadKey::Form)
    }
}

/// The client's key, for an operation that may be repeated under one. Operations name it as a parameter.
#[derive(Debug, Clone, Default)]
pub struct Idempotent {
    request: Option<KeyedRequest>,
    is_replayed: Arc<AtomicBool>,
}

impl Idempotent {
    pub(crate) fn new(request: KeyedRequest) -> Self {
        Self {
            request: Some(request),
            is_replayed: Arc::default(),
        }
    }

    /// The request to give to [`Engine::submit_once`](engine::Engine::submit_once), if the client sent a key.
    #[must_use]
    pub fn request(&self) -> Option<&KeyedRequest> {
        self.request.as_ref()
    }

    /// The outcome to answer with. If it is a repeat's, the answer will say so.
    ///
    /// # Errors
    /// The key is another request's, or the engine's error. Under a key, whoever does not know what happened may ask again.
    pub fn settle<T>(&self, submitted: Result<Once<T>, EngineError>) -> Result<T, Problem> {
        let submitted = submitted.map_err(|error| {
            let is_unknown = matches!(error, EngineError::OutcomeUnknown(_)) && self.request.is_some();
            let problem = Problem::from(error);
            if is_unknown {
                Problem::new(
                    &UNKNOWN_UNDER_A_KEY,
                    "ask again under the same key; the change is made once",
                )
            } else {
                problem
            }
        });
        match submitted? {
            Once::First(outcome) => Ok(outcome),
            Once::Repeated(outcome) => {
                self.is_replayed.store(true, Ordering::Relaxed);
                Ok(outcome)
            }
            Once::OtherRequest => Err(Problem::new(
                &IDEMPOTENCY_KEY_REUSED,
                "this key came before, with another body or query; give each request a key of its own",
            )),
        }
    }

    pub(crate) fn is_replayed(&self) -> bool {
        self.is_replayed.load(Ordering::Relaxed)
    }
}

impl<'a> ApiExtractor<'a> for Idempotent {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];

    type ParamType = String;
    type ParamRawType = String;

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Header)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        let schema = MetaSchema {
            pattern: Some(FORM.into()),
            example: Some("\"8e03978e-40d5-43dd-bc93-6894a57f9324\"".into()),
            ..MetaSchema::new("string")
        };
        Some(MetaSchemaRef::Inline(Box::new(schema)))
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<String>,
    ) -> poem::Result<Self> {
        Ok(request.extensions().get::<Self>().cloned().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use poem::http::HeaderValue;

    use super::*;

    fn read(values: &[&[u8]]) -> Result<Option<String>, BadKey> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(
                IDEMPOTENCY_KEY,
                HeaderValue::from_bytes(value).expect("a header's value"),
            );
        }
        key(&headers)
    }

    #[test]
    fn a_key_is_read_with_quotes_and_without() {
        let own = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[b"\"8e03-a b\""]), own("8e03-a b"));
        assert_eq!(read(&[b"8e03"]), own("8e03"));
        assert_eq!(read(&[br#""a\"b\\c""#]), own(r#"a"b\c"#));
        let longest = "x".repeat(MAX_KEY);
        assert_eq!(read(&[longest.as_bytes()]), own(&longest));
        assert_eq!(read(&[format!("\"{longest}\"").as_bytes()]), own(&longest));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let long = "x".repeat(MAX_KEY + 1);
        let quoted = format!("\"{long}\"");
        assert_eq!(read(&[long.as_bytes()]), Err(BadKey::Length(MAX_KEY + 1)));
        assert_eq!(read(&[quoted.as_bytes()]), Err(BadKey::Length(MAX_KEY + 1)));
        assert_eq!(read(&[b""]), Err(BadKey::Length(0)));
        assert_eq!(read(&[b"\"\""]), Err(BadKey::Length(0)));
        assert_eq!(read(&[b"a", b"a"]), Err(BadKey::Repeated));
        let bad: [&[u8]; 9] = [
            b"\"a",
            b"a\"",
            b"\"a\"b",
            b"\"a\\b\"",
            b"\"",
            b"a b",
            b"a,b",
            "\u{e4}".as_bytes(),
            b"\"a\tb\"",
        ];
        for bad in bad {
            assert_eq!(read(&[bad]), Err(BadKey::Form), "{:?}", String::from_utf8_lossy(bad));
        }
    }
}
