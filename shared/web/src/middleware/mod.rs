//! What a request passes before its operation sees it, outermost first:
//!
//! ```text
//! RequestScope        correlation id, guard (size, origin, stop), errors as problems, metrics
//! Admission           how many calls at once
//! BodyLimit           how large a body
//! ReadIdempotencyKey  which request it is, if it may come again
//! AllowedMethods      what a 405 says
//! ```

mod admission;
mod allowed_methods;
mod body_limit;
mod errors;
mod guard;
mod idempotency;
mod metrics;
mod origin;
mod request_scope;

pub use self::{
    admission::Admission,
    allowed_methods::Allow,
    body_limit::BodyLimit,
    idempotency::ReadIdempotencyKey,
    origin::{AllowedOrigins, BadOrigin},
    request_scope::RequestScope,
};
