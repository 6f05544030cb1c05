//! The words of Holdfast as types: ids, amounts, points in time, and the id that ties a request's traces together.
//!
//! Each is checked where it is made, so whoever holds one need not check it again.

mod amounts;
mod backoff;
mod cause;
#[cfg(feature = "clock-faults")]
pub mod clock_faults;
mod correlation;
mod ids;
mod millis;
mod service_name;
mod timestamp;
mod traceparent;

pub use self::{
    amounts::{Amount, BadAmount, Credits, Quantity, whole_number},
    backoff::Backoff,
    cause::Cause,
    correlation::{CORRELATION_HEADER, CorrelationId},
    ids::{BadId, BadSagaId, ID_PATTERN, ItemId, KeyId, MAX_ID_LENGTH, OrderId, SagaId, SessionId, UserId},
    millis::Millis,
    service_name::ServiceName,
    timestamp::Timestamp,
    traceparent::{BadTraceParent, TRACEPARENT_HEADER, TraceParent},
};
