//! A connection to the bus that is made when it is needed, and made anew when it broke.

use engine::store::connection::{Connection, Reply};
use tokio::sync::Mutex;

use crate::{Bus, BusError, replies::answered};

/// One connection at a time, which many may use in turn.
pub(super) struct Line {
    bus: Bus,
    connection: Mutex<Option<Connection>>,
}

impl Line {
    pub(super) fn new(bus: Bus) -> Self {
        Self {
            bus,
            connection: Mutex::new(None),
        }
    }

    /// Sends what `queue` adds, and gives the answers, errors among them.
    pub(super) async fn ask_all(&self, queue: impl FnOnce(&mut Connection) + Send) -> Result<Vec<Reply>, BusError> {
        let mut kept = self.connection.lock().await;
        // Out of its place while it is used: who gives up in the middle leaves no late answer to the next.
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => self.bus.connect().await?,
        };
        queue(&mut connection);
        let replies = connection.exchange().await?;
        *kept = Some(connection);
        Ok(replies)
    }

    /// As [`Line::ask_all`]; an error among the answers is an error.
    pub(super) async fn ask(&self, queue: impl FnOnce(&mut Connection) + Send) -> Result<Vec<Reply>, BusError> {
        answered(self.ask_all(queue).await?)
    }

    /// As [`Line::ask`], for one answer.
    pub(super) async fn ask_one(&self, queue: impl FnOnce(&mut Connection) + Send) -> Result<Reply, BusError> {
        let mut replies = self.ask(queue).await?;
        replies.pop().ok_or(BusError::Strange("no answer"))
    }
}
