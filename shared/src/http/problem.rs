//! Errors as `application/problem+json`.
//!
//! Source: RFC 9457, "Problem Details for HTTP APIs".

use std::{collections::BTreeMap, marker::PhantomData};

use poem::{IntoResponse, Response, http::StatusCode};
use poem_openapi::{
    ApiResponse, Object,
    registry::{MetaHeader, MetaMediaType, MetaResponse, MetaResponses, MetaSchemaRef, Registry},
    types::{ToJSON, Type},
};

use crate::engine::EngineError;

/// The media type of every error.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// A kind of error: what its `type`, `title` and `status` say.
#[derive(Debug, PartialEq, Eq)]
pub struct ProblemKind {
    /// The last part of the type's URN.
    pub slug: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// A short summary that is the same for every occurrence.
    pub title: &'static str,
    /// For which the answer carries Retry-After: the seconds.
    pub retry_after: Option<u32>,
}

impl ProblemKind {
    /// A kind that asking again does not cure.
    #[must_use]
    pub const fn new(slug: &'static str, status: u16, title: &'static str) -> Self {
        Self {
            slug,
            status,
            title,
            retry_after: None,
        }
    }

    /// A kind for which asking again after some seconds is the thing to do.
    #[must_use]
    pub const fn passing(slug: &'static str, status: u16, title: &'static str, seconds: u32) -> Self {
        Self {
            slug,
            status,
            title,
            retry_after: Some(seconds),
        }
    }

    /// This kind, where asking again after a second cannot make the change twice.
    #[must_use]
    pub const fn safe_to_repeat(self) -> Self {
        Self {
            retry_after: Some(1),
            ..self
        }
    }
}

/// The request's path or a parameter is not of the documented form.
pub const MALFORMED: ProblemKind = ProblemKind::new("malformed", 400, "The request is malformed or out of range.");
/// A sum would not fit, with what is there already.
pub const OVERFLOW: ProblemKind = ProblemKind::new("overflow", 409, "The sum would be too large.");
/// The queue is full.
pub const OVERLOADED: ProblemKind =
    ProblemKind::passing("overloaded", 429, "Too much is waiting; nothing was changed.", 1);
/// A fault of the program or of the stored data.
pub const INTERNAL: ProblemKind = ProblemKind::new("internal", 500, "A fault in the service; nothing was changed.");
/// The store cannot be reached or refuses to write.
pub const UNAVAILABLE: ProblemKind = ProblemKind::passing(
    "unavailable",
    503,
    "A part of the system is not available; nothing was changed.",
    1,
);
/// The store's memory is nearly full.
pub const STORE_FULL: ProblemKind = ProblemKind::passing(
    "store-full",
    503,
    "A store is nearly full: nothing new is begun, and nothing was changed.",
    5,
);
/// The store went away in the middle of a change. Asking again would make it twice where it is in force, so nobody is
/// told to: see [`ProblemKind::safe_to_repeat`].
pub const OUTCOME_UNKNOWN: ProblemKind = ProblemKind::new(
    "outcome-unknown",
    503,
    "The store went away in the middle: the change may or may not be in force.",
);
/// Some records of many were not made. Whoever asks again sets all of them again.
pub const PARTLY_DONE: ProblemKind = ProblemKind::passing(
    "partly-done",
    503,
    "Some records were made and others were not; asking again makes all of them.",
    1,
);
/// Some records of many cannot be made, and a person has to look at them.
pub const PARTLY_BROKEN: ProblemKind = ProblemKind::new(
    "partly-broken",
    500,
    "Some records were made; others are unreadable, and asking again does not help.",
);
/// A web page asks that may not, or the request was meant for another host.
pub(super) const FOREIGN_ORIGIN: ProblemKind = ProblemKind::new(
    "foreign-origin",
    403,
    "The request is from a web page that may not call.",
);
/// The path and query are too long.
pub(super) const URI_TOO_LONG: ProblemKind = ProblemKind::new("uri-too-long", 414, "The path is too long.");
/// The header's fields are too large.
pub(super) const HEAD_TOO_LARGE: ProblemKind =
    ProblemKind::new("head-too-large", 431, "The request's header is too large.");

/// The body is too large.
pub(super) const BODY_TOO_LARGE: ProblemKind =
    ProblemKind::new("body-too-large", 413, "The request's body is larger than 16384 bytes.");

/// What every operation may answer, whatever it does.
pub const COMMON: [&ProblemKind; 7] = [
    &FOREIGN_ORIGIN,
    &BODY_TOO_LARGE,
    &URI_TOO_LONG,
    &OVERLOADED,
    &HEAD_TOO_LARGE,
    &INTERNAL,
    &UNAVAILABLE,
];

/// One occurrence of an error.
#[derive(Debug, Clone)]
pub struct Problem {
    /// Which kind it is.
    pub kind: &'static ProblemKind,
    /// What happened this time, in words that help whoever reads them.
    pub detail: String,
}

impl Problem {
    /// An occurrence with its explanation.
    pub fn new(kind: &'static ProblemKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
        }
    }

    /// The answer to send. `instance` is the path that was asked for.
    #[must_use]
    pub fn answer(&self, instance: &str) -> Response {
        let kind = self.kind;
        respond(
            kind.status,
            &format!("urn:holdfast:problem:{}", kind.slug),
            kind.title,
            &self.detail,
            instance,
            kind.retry_after,
        )
    }
}

impl From<EngineError> for Problem {
    /// The cause of an unavailable store is logged and not sent: clients can do nothing about it.
    fn from(error: EngineError) -> Self {
        let (kind, detail) = match &error {
            EngineError::Overloaded => (&OVERLOADED, "the queue of changes is full"),
            EngineError::Conflict => (&UNAVAILABLE, "others kept changing the same record"),
            EngineError::Unavailable(_) => (&UNAVAILABLE, "the store does not answer or does not take changes"),
            EngineError::Expired { .. } => (&UNAVAILABLE, "it is too early or too late for this"),
            EngineError::StoreFull => (&STORE_FULL, "the store is nearly full; an operator has to make room"),
            EngineError::Stopped => (&UNAVAILABLE, "the service is stopping"),
            EngineError::OutcomeUnknown(_) => (&OUTCOME_UNKNOWN, "look at the record before you ask again"),
            EngineError::Corrupt { .. } => (&INTERNAL, "a stored record cannot be read"),
            EngineError::Bug(_) => (&INTERNAL, "a decision failed"),
        };
        match error {
            EngineError::Corrupt { .. } | EngineError::Bug(_) => tracing::error!(%error, "the engine failed"),
            EngineError::Overloaded | EngineError::StoreFull | EngineError::Stopped => {}
            _ => tracing::warn!(%error, "the engine gave up"),
        }
        Self::new(kind, detail)
    }
}

/// The body of an error.
#[derive(Debug, Object)]
#[oai(rename = "Problem")]
pub(super) struct ProblemBody {
    /// Which kind of error it is: a URN that does not change.
    #[oai(rename = "type")]
    problem_type: String,
    /// The kind in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What happened this time.
    #[oai(skip_serializing_if_is_none)]
    detail: Option<String>,
    /// The path that was asked for.
    #[oai(skip_serializing_if_is_none)]
    instance: Option<String>,
}

/// The longest path that an answer repeats, in bytes. The client knows what it has asked for.
const MOST_INSTANCE: usize = 1_024;

/// Builds an error's answer from its parts.
pub(super) fn respond(
    status: u16,
    problem_type: &str,
    title: &str,
    detail: &str,
    instance: &str,
    retry_after: Option<u32>,
) -> Response {
    let body = ProblemBody {
        problem_type: problem_type.into(),
        title: title.into(),
        status,
        detail: Some(detail.into()),
        instance: (instance.len() <= MOST_INSTANCE).then(|| instance.into()),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let builder = Response::builder().status(status).content_type(PROBLEM_JSON);
    match retry_after {
        Some(seconds) => builder.header("Retry-After", seconds.to_string()),
        None => builder,
    }
    .body(body.to_json_string())
}

/// The errors that one operation may answer: no others, and no fewer.
pub trait Catalogue: Send + Sync + 'static {
    /// The kinds, besides [`COMMON`].
    const KINDS: &'static [&'static ProblemKind];
}

/// Makes catalogues: `catalogue! { /// Docs. Name: A, B }` is a type `Name` that lists the kinds `A` and `B`.
#[macro_export]
macro_rules! catalogue {
    ($($(#[$docs:meta])* $name:ident: $($kind:path),* $(,)?;)+) => {
        $(
            $(#[$docs])*
            pub(crate) struct $name;

            impl $crate::http::Catalogue for $name {
                const KINDS: &'static [&'static $crate::http::ProblemKind] = &[$(&$kind),*];
            }
        )+
    };
}

/// An error answer of an operation that documents the kinds of `C`.
pub struct Refused<C> {
    problem: Problem,
    catalogue: PhantomData<fn() -> C>,
}

impl<C: Catalogue, P: Into<Problem>> From<P> for Refused<C> {
    fn from(problem: P) -> Self {
        let problem = problem.into();
        // What an operation answers and what its document says are one list.
        let is_documented = COMMON.iter().chain(C::KINDS).any(|kind| *kind == problem.kind);
        debug_assert!(is_documented, "undocumented: {problem:?}");
        if !is_documented {
            tracing::error!(
                slug = problem.kind.slug,
                "an operation answers what its document does not say"
            );
        }
        Self {
            problem,
            catalogue: PhantomData,
        }
    }
}

impl From<Problem> for poem::Error {
    /// Carries the problem as data to the edge, which knows the path and writes the answer.
    fn from(problem: Problem) -> Self {
        let status = StatusCode::from_u16(problem.kind.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut error = Self::from_status(status);
        error.set_data(problem);
        error
    }
}

impl<C> From<Refused<C>> for poem::Error {
    fn from(refused: Refused<C>) -> Self {
        refused.problem.into()
    }
}

impl<C> IntoResponse for Refused<C> {
    fn into_response(self) -> Response {
        self.problem.answer("")
    }
}

impl<C: Catalogue> ApiResponse for Refused<C> {
    fn meta() -> MetaResponses {
        let mut kinds_of_status: BTreeMap<u16, Vec<&ProblemKind>> = BTreeMap::new();
        for kind in COMMON.iter().chain(C::KINDS) {
            kinds_of_status.entry(kind.status).or_default().push(kind);
        }
        let responses = kinds_of_status
            .into_iter()
            .map(|(status, kinds)| describe(status, &kinds))
            .collect();
        MetaResponses { responses }
    }

    fn register(registry: &mut Registry) {
        ProblemBody::register(registry);
    }
}

fn describe(status: u16, kinds: &[&ProblemKind]) -> MetaResponse {
    let lines: Vec<String> = kinds
        .iter()
        .map(|kind| format!("`{}`: {}", kind.slug, kind.title))
        .collect();
    let waits = kinds.iter().any(|kind| kind.retry_after.is_some());
    let retry_after = MetaHeader {
        name: "Retry-After".into(),
        description: Some("Ask again after so many seconds.".into()),
        required: false,
        deprecated: false,
        schema: u32::schema_ref(),
    };
    MetaResponse {
        // The documentation is built once a process, and poem-openapi wants it to live as long.
        description: Box::leak(lines.join("\n\n").into_boxed_str()),
        status: Some(status),
        status_range: None,
        content: vec![MetaMediaType {
            content_type: PROBLEM_JSON,
            schema: MetaSchemaRef::Reference(ProblemBody::name().into_owned()),
        }],
        headers: waits.then_some(retry_after).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_told_to_repeat_what_may_have_happened() {
        let lost = || Problem::from(EngineError::OutcomeUnknown("the answer never came".into()));
        assert!(lost().answer("/").header("Retry-After").is_none());
        let unchanged = Problem::from(EngineError::Unavailable("it is away".into()));
        assert_eq!(unchanged.answer("/").header("Retry-After"), Some("1"));
    }

    #[tokio::test]
    async fn a_path_that_is_too_long_is_not_repeated_to_who_has_sent_it() {
        let long = "/".repeat(MOST_INSTANCE + 1);
        let told = |path| respond(404, "about:blank", "Not Found", "", path, None);
        let body = told(&long).into_body().into_string().await.expect("a body");
        assert!(!body.contains("instance"), "{body}");
    }
}
