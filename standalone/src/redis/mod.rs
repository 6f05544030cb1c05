//! The standalone's own redis-servers: one a service, reached through a socket that only its owner may
//! open.

mod folder;
mod log;
mod program;
mod server;
mod talk;

use std::path::Path;

use process::Trouble;

use self::server::RedisServer;
pub(crate) use self::{
    folder::lock,
    program::{Fsync, ensure_installed},
};

/// The servers of order, stock and payment.
pub(crate) struct RedisServers([RedisServer; 3]);

impl RedisServers {
    /// Starts them on their folders below `data`. They answer once they have [`loaded`](Self::loaded).
    pub(crate) async fn start(program: &Path, data: &Path, fsync: Fsync) -> anyhow::Result<Self> {
        let start = |name| RedisServer::start(name, program, data, fsync);
        let (order, stock, payment) = tokio::try_join!(start("order"), start("stock"), start("payment"))?;
        Ok(Self([order, stock, payment]))
    }

    /// Where order, stock and payment find them.
    pub(crate) fn urls(&self) -> [String; 3] {
        self.0.each_ref().map(RedisServer::url)
    }

    /// Waits until they have loaded their data, however long that takes, and says how far they are.
    pub(crate) async fn loaded(&mut self) -> anyhow::Result<()> {
        let [order, stock, payment] = &mut self.0;
        tokio::try_join!(order.loaded(), stock.loaded(), payment.loaded())?;
        Ok(())
    }

    /// Starts each of them again whenever it dies, and keeps in `trouble` why it is away. Never returns.
    pub(crate) async fn supervise(&mut self, trouble: &Trouble) {
        let [order, stock, payment] = &mut self.0;
        tokio::join!(
            order.supervise(trouble),
            stock.supervise(trouble),
            payment.supervise(trouble)
        );
    }

    /// Lets them write what they have and end.
    pub(crate) async fn stop(self) {
        let [order, stock, payment] = self.0;
        tokio::join!(order.stop(), stock.stop(), payment.stop());
    }
}
