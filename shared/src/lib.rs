//! What Holdfast's services share. It knows no service.

pub mod amounts;
pub mod backoff;
pub mod bulk;
pub mod clock;
pub mod coalesce;
pub mod config;
pub mod engine;
pub mod events;
pub mod http;
pub mod ids;
pub mod keys;
pub mod names;
pub mod protocol;
pub mod service;
pub mod shutdown;
pub mod store;
pub mod survey;
pub mod telemetry;
pub mod terms;
