//! The fence: how a lane learns whether an EXEC whose answer was lost has happened.
//!
//! Every batch that a lane commits also writes the lane's own key with the batch's number, and watches it.
//! After a lost answer the lane asks on a new connection:
//!
//! ```text
//! WATCH fence, GET fence ─┬─ this batch's number ──────────────────────────────> it is in force
//!                         └─ another ─> MULTI, SET fence <next>, EXEC ─┬─ done ─> it never will be: its EXEC
//!                                                                     │          watches a fence that moved
//!                                                                     └─ null ─> it came in between: ask again
//! ```
//!
//! The move is a transaction of its own so that the question survives the loss of its own answer: the batch's
//! number is never overwritten without having been seen. (A plain `SET fence <next> GET` destroys what it
//! reads: if that answer is lost too, the next asker finds `<next>` and wrongly takes the batch for lost.)

use fred::{bytes_utils::Str, util::redis_keyslot};

use crate::store::wire::{Reply, Wire, WireError};

/// How long the fence of an instance that is gone stays, in seconds. It must outlast every connection
/// on which one of its transactions could still be under way.
const KEPT_SECONDS: &[u8] = b"3600";

pub(super) struct Fence {
    key: Str,
}

impl Fence {
    /// `tag` is the hash tag of a partition that the lane serves, `instance` is unique to the lane.
    pub(super) fn new(tag: &str, instance: &str) -> Self {
        Self {
            key: format!("fence:{{{tag}}}:{instance}").into(),
        }
    }

    pub(super) fn key(&self) -> &Str {
        &self.key
    }

    /// The cluster slot of the key, and of all that the lane commits.
    pub(super) fn slot(&self) -> u16 {
        redis_keyslot(self.key.as_bytes())
    }

    /// Adds the batch's number to its transaction.
    pub(super) fn ask(&self, wire: &mut Wire, number: u64) {
        let number = number.to_string();
        wire.ask("SET", [self.key.as_bytes(), number.as_bytes(), b"EX", KEPT_SECONDS]);
    }

    /// `Some(true)`: batch `number` is in force. `Some(false)`: it is not and never will be.
    /// `None`: the fence moved while it was asked, or the answer leaves it open; ask again.
    pub(super) async fn resolve(&self, wire: &mut Wire, number: u64, moved_to: u64) -> Result<Option<bool>, WireError> {
        // In this order, as in `Connection::load`.
        wire.ask("WATCH", [self.key.as_bytes()]);
        wire.ask("GET", [self.key.as_bytes()]);
        match wire.exchange().await?.as_slice() {
            [Reply::SimpleString(_), Reply::BulkString(found)] if *found == number.to_string() => {
                return Ok(Some(true));
            }
            [Reply::SimpleString(_), Reply::BulkString(_) | Reply::Null] => {}
            _ => return Ok(None),
        }
        wire.ask("MULTI", []);
        self.ask(wire, moved_to);
        wire.ask("EXEC", []);
        match wire.exchange().await?.as_slice() {
            [_, Reply::SimpleString(_), Reply::Array(_)] => Ok(Some(false)),
            _ => Ok(None),
        }
    }
}
