//! How a process of Holdfast starts, serves and stops.
//!
//! ```text
//! config ─> telemetry ─> store and lanes ─> listener ─> server ─> routes
//!                              shutdown: one token, and an end that nothing can put off
//! ```

mod beside;
mod bridging;
mod config;
mod events_page;
mod feed_api;
mod knowing;
mod listener;
mod readiness;
mod relaying;
mod resources;
mod routes;
mod run;
mod server;
mod service;
pub mod shutdown;
mod telemetry;
mod trouble;

pub use self::{
    bridging::{BridgeWithoutBus, Bridges, check_bridge},
    config::{BadTimes, IdentityConfig, InternalConfig, ServerConfig, ServiceConfig, check_times, require},
    feed_api::{FEED_ROOT, FeedApi, NO_BUS, no_bus},
    knowing::{Knowing, KnowingError},
    listener::{BadListenAt, BindError, Bound, ListenAt},
    readiness::Vitals,
    relaying::{Relays, bounded, open_bus},
    resources::{HealthError, Resources, StartError, check_health, finish, serve, unless_stopped},
    routes::public_routes,
    run::{command, run},
    service::Service,
    telemetry::{LogFormat, Telemetry, TelemetryConfig, TelemetryError},
    trouble::Trouble,
};

/// A request makes many small allocations, which another thread often frees: measured, this allocator gave a fifth more
/// checkouts than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
