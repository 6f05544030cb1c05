//! The HTTP surface that all services share: problems, parameters, middleware and the OpenAPI document.
//!
//! A refusal is a [`Problem`] of one [`ProblemKind`]. An operation lists the kinds that it may answer in a
//! [`catalogue!`], and its document says the same, since both are made of that list.

mod answers;
mod authentication;
mod batch_init;
mod document;
mod idempotency;
mod json_body;
pub mod middleware;
pub mod names;
mod param;
mod problem;

pub use self::{
    answers::{Accepted, Created, Done},
    authentication::{Caller, authenticate, lacking},
    batch_init::BatchInit,
    document::Documentation,
    idempotency::Idempotent,
    json_body::JsonBody,
    middleware::{AllowedOrigins, BadOrigin},
    param::{Param, Parameter, whole_numbers},
    problem::{
        COMMON, Catalogue, FORBIDDEN, IDEMPOTENCY_KEY_REUSED, INTERNAL, MALFORMED, NOT_JSON, OUTCOME_UNKNOWN, OVERFLOW,
        OVERLOADED, PARTLY_BROKEN, PARTLY_DONE, PROBLEM_JSON, Problem, ProblemKind, Refused, STORE_FULL,
        UNAUTHENTICATED, UNAVAILABLE,
    },
};
