//! Errors as `application/problem+json`.
//!
//! Source: RFC 9457, "Problem Details for HTTP APIs".

mod catalogue;
mod kinds;

use engine::EngineError;
use poem::{
    Response,
    http::{HeaderValue, StatusCode, header::WWW_AUTHENTICATE},
};
use poem_openapi::{Object, types::ToJSON};
use principals::Scope;

pub(crate) use self::kinds::{BODY_TOO_LARGE, FOREIGN_ORIGIN, HEAD_TOO_LARGE, URI_TOO_LONG};
pub use self::{
    catalogue::{Catalogue, Refused},
    kinds::{
        COMMON, FORBIDDEN, IDEMPOTENCY_KEY_REUSED, INTERNAL, MALFORMED, NOT_JSON, OUTCOME_UNKNOWN, OVERFLOW,
        OVERLOADED, PARTLY_BROKEN, PARTLY_DONE, ProblemKind, STORE_FULL, UNAUTHENTICATED, UNAVAILABLE,
    },
};

/// The media type of every error.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// One occurrence of an error.
#[derive(Debug, Clone)]
pub struct Problem {
    /// Which kind it is.
    pub kind: &'static ProblemKind,
    /// What happened this time, in words that help whoever reads them.
    pub detail: String,
    /// How to authenticate, for the header WWW-Authenticate.
    pub(crate) challenge: Option<HeaderValue>,
    /// The scope that the caller lacks.
    pub(crate) required_scope: Option<Scope>,
}

impl Problem {
    /// An occurrence with its explanation.
    pub fn new(kind: &'static ProblemKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            challenge: None,
            required_scope: None,
        }
    }

    /// The answer to send. `instance` is the path that was asked for.
    #[must_use]
    pub fn answer(&self, instance: &str) -> Response {
        let kind = self.kind;
        let mut answer = respond_with(
            kind.status,
            &format!("urn:holdfast:problem:{}", kind.slug),
            kind.title,
            &self.detail,
            instance,
            kind.retry_after,
            self.required_scope,
        );
        if let Some(challenge) = &self.challenge {
            answer.headers_mut().insert(WWW_AUTHENTICATE, challenge.clone());
        }
        answer
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

impl From<Problem> for poem::Error {
    /// Carries the problem as data to the middleware, which knows the path and writes the answer.
    fn from(problem: Problem) -> Self {
        let status = StatusCode::from_u16(problem.kind.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut error = Self::from_status(status);
        error.set_data(problem);
        error
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
    /// The scope that the caller lacks, if that is what is wrong.
    #[oai(skip_serializing_if_is_none)]
    required_scope: Option<String>,
}

/// The longest path that an answer repeats, in bytes. The client knows what it has asked for.
const MAX_INSTANCE: usize = 1_024;

/// Builds an error's answer from its parts.
pub(crate) fn respond(
    status: u16,
    problem_type: &str,
    title: &str,
    detail: &str,
    instance: &str,
    retry_after: Option<u32>,
) -> Response {
    respond_with(status, problem_type, title, detail, instance, retry_after, None)
}

fn respond_with(
    status: u16,
    problem_type: &str,
    title: &str,
    detail: &str,
    instance: &str,
    retry_after: Option<u32>,
    required_scope: Option<Scope>,
) -> Response {
    let body = ProblemBody {
        problem_type: problem_type.into(),
        title: title.into(),
        status,
        detail: Some(detail.into()),
        instance: (instance.len() <= MAX_INSTANCE).then(|| instance.into()),
        required_scope: required_scope.map(|scope| scope.as_str().into()),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let builder = Response::builder().status(status).content_type(PROBLEM_JSON);
    match retry_after {
        Some(seconds) => builder.header("Retry-After", seconds.to_string()),
        None => builder,
    }
    .body(body.to_json_string())
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
        let long = "/".repeat(MAX_INSTANCE + 1);
        let told = |path| respond(404, "about:blank", "Not Found", "", path, None);
        let body = told(&long).into_body().into_string().await.expect("a body");
        assert!(!body.contains("instance"), "{body}");
    }
}
