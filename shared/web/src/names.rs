//! Host names, and the addresses that they have now.

use std::{io, net::SocketAddr, time::Duration};

use tokio::time::timeout;

/// How often a name is looked up again, to follow it.
pub const FOLLOW_EVERY: Duration = Duration::from_secs(2);
/// How often, while it has never been found.
pub const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long one look may take.
const LOOK_PATIENCE: Duration = Duration::from_secs(5);

/// Looks a host's name up.
pub trait Resolver: Send + Sync + 'static {
    /// All addresses that the name has now, each with `port`.
    ///
    /// # Errors
    /// The name has none, or nobody can tell.
    fn resolve(&self, name: &str, port: u16) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;
}

/// The operating system's resolver.
#[derive(Debug, Clone, Copy)]
pub struct System;

impl Resolver for System {
    async fn resolve(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((name, port)).await?.collect())
    }
}

/// All addresses that the name has now: at least one.
///
/// # Errors
/// As [`Resolver::resolve`]; or no answer in time.
pub async fn look_up(resolver: &impl Resolver, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    match timeout(LOOK_PATIENCE, resolver.resolve(name, port)).await {
        Ok(Ok(addresses)) if addresses.is_empty() => Err(io::Error::other("it has no address")),
        Ok(looked) => looked,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time")),
    }
}
