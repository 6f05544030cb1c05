//! How a process of Holdfast starts, serves and stops.
//!
//! ```text
//! config ─> telemetry ─> store and lanes ─> listener ─> server ─> routes
//!                              shutdown: one token, and an end that nothing can put off
//! ```

mod config;
mod listener;
mod readiness;
mod routes;
mod server;
mod service;
pub mod shutdown;
mod telemetry;
mod trouble;

pub use self::{
    config::{BadTimes, InternalConfig, ServerConfig, ServiceConfig, check_times, require},
    listener::{BadListenAt, BindError, Bound, ListenAt},
    readiness::Vitals,
    routes::public_routes,
    service::{Foundation, StartError, check_health, finish, serve, unless_stopped},
    telemetry::{LogFormat, Telemetry, TelemetryConfig, TelemetryError},
    trouble::Trouble,
};
