//! TLS from end to end, and secrets that nobody else sees: real redis-servers, real certificates, real processes.

mod listeners;
mod secrets;
mod stores;
mod topologies;
mod trust;

use harness::{Authority, Issued, RedisServer};

/// What a server says that wants its clients to show certificates, and does not.
const ANYBODY: [&str; 2] = ["--tls-auth-clients", "no"];

/// A redis-server with this certificate, which asks its clients for none.
async fn redis(authority: &Authority, shown: &Issued) -> RedisServer {
    RedisServer::start_tls(authority, shown, &ANYBODY).await
}
