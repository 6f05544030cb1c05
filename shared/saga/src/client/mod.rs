//! The driver's end of the wire: calls that wait share a request, to whichever replica of the participant is free.

mod calls;
pub mod coalesce;
mod replicas;
mod trust;

pub use self::{
    calls::{Answering, Calls, ClientError, Participant},
    coalesce::CallError,
    replicas::{BadReplicas, Replicas},
    trust::{TrustError, trust},
};
