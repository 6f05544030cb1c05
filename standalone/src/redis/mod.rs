//! The standalone's own redis-servers: one a service, reached through a socket that only its owner may
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

/// Where each service finds its server.
pub(crate) type StoreUrls = HashMap<ServiceName, String>;

/// A server for each service.
pub(crate) struct RedisServers(Vec<RedisServer>);

impl RedisServers {
    /// Starts them on their folders below `data`. They answer once they have [`loaded`](Self::loaded).
    pub(crate) async fn start(program: &Path, data: &Path, fsync: Fsync) -> anyhow::Result<Self> {
        let start = |service: &ServiceName| RedisServer::start(*service, program, data, fsync);
        Ok(Self(try_join_all(ServiceName::ALL.iter().map(start)).await?))
    }

    /// Where the services find them.
    pub(crate) fn urls(&self) -> StoreUrls {
        self.0.iter().map(|server| (server.service(), server.url())).collect()
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
