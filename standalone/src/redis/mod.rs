//! The standalone's own redis-servers: one a service, and the bus, reached through a socket that only its owner may
//! open.

mod folder;
mod log;
mod program;
mod server;
mod talk;

use std::{collections::HashMap, path::Path};

use domain::ServiceName;
use futures::future::{join_all, try_join_all};
use process::Trouble;

use self::server::RedisServer;
pub(crate) use self::{
    folder::lock,
    program::{Fsync, ensure_installed},
};

/// What the bus's server is called, beside those that are called as their services.
const BUS: &str = "bus";

/// Where each server is found.
pub(crate) struct RedisUrls(HashMap<&'static str, String>);

impl RedisUrls {
    /// A service's store.
    pub(crate) fn store(&self, service: ServiceName) -> &str {
        &self.0[service.as_str()]
    }

    /// The bus.
    pub(crate) fn bus(&self) -> &str {
        &self.0[BUS]
    }
}

/// A server for each service, and the bus.
pub(crate) struct RedisServers(Vec<RedisServer>);

impl RedisServers {
    /// Starts them on their folders below `data`. They answer once they have [`loaded`](Self::loaded).
    pub(crate) async fn start(program: &Path, data: &Path, fsync: Fsync) -> anyhow::Result<Self> {
        let names = ServiceName::ALL.iter().map(|service| service.as_str()).chain([BUS]);
        let start = |name| RedisServer::start(name, program, data, fsync);
        Ok(Self(try_join_all(names.map(start)).await?))
    }

    /// Where they are found.
    pub(crate) fn urls(&self) -> RedisUrls {
        RedisUrls(self.0.iter().map(|server| (server.name(), server.url())).collect())
    }

    /// Waits until they have loaded their data, however long that takes, and says how far they are.
    pub(crate) async fn loaded(&mut self) -> anyhow::Result<()> {
        try_join_all(self.0.iter_mut().map(RedisServer::loaded)).await?;
        Ok(())
    }

    /// Starts each of them again whenever it dies, and keeps in `trouble` why it is away. Never returns.
    pub(crate) async fn supervise(&mut self, trouble: &Trouble) {
        join_all(self.0.iter_mut().map(|server| server.supervise(trouble))).await;
    }

    /// Lets them write what they have and end.
    pub(crate) async fn stop(self) {
        join_all(self.0.into_iter().map(RedisServer::stop)).await;
    }
}
