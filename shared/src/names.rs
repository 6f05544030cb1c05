//! Host names, and the addresses that they have now.

use std::{io, net::SocketAddr};

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
