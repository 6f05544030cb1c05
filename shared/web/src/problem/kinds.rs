//! The kinds of problems that every service may answer. A service's own stand in its `problems.rs`.

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

    /// This kind, if asking again after a second cannot make the change twice.
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
/// The client's key was another request's before.
pub const IDEMPOTENCY_KEY_REUSED: ProblemKind = ProblemKind::new(
    "idempotency-key-reused",
    422,
    "The Idempotency-Key belongs to another request.",
);
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
/// The store went away in the middle of a change. Asking again would make it twice if it is in force, so nobody is
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
/// The body is something else than JSON.
pub const NOT_JSON: ProblemKind = ProblemKind::new(
    "not-json",
    415,
    "The request's body is taken as application/json, and as nothing else.",
);
/// Nobody is known by what the request presents.
pub const UNAUTHENTICATED: ProblemKind = ProblemKind::new(
    "unauthenticated",
    401,
    "Nobody is known by the token or key that was presented.",
);
/// Whoever asks may not do this.
pub const FORBIDDEN: ProblemKind = ProblemKind::new("forbidden", 403, "The caller lacks a scope that this needs.");
/// A web page asks that may not, or the request was meant for another host.
pub(crate) const FOREIGN_ORIGIN: ProblemKind = ProblemKind::new(
    "foreign-origin",
    403,
    "The request is from a web page that may not call.",
);
/// The path and query are too long.
pub(crate) const URI_TOO_LONG: ProblemKind = ProblemKind::new("uri-too-long", 414, "The path is too long.");
/// The header's fields are too large.
pub(crate) const HEAD_TOO_LARGE: ProblemKind =
    ProblemKind::new("head-too-large", 431, "The request's header is too large.");

/// The body is too large.
pub(crate) const BODY_TOO_LARGE: ProblemKind =
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
