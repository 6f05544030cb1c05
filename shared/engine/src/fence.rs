//! The fence: how a lane learns whether an EXEC whose answer was lost has happened.
//!
//! Every batch that a lane commits also writes the lane's own key with the batch's number, and watches it. Whenever a
//! batch is committed, the fence exists, and the lane knows its value: it was read with the records, and a lane whose
//! fence is not there writes it before anything else. After a lost answer the lane asks on a new connection:
//!
//! ```text
//! WATCH fence, GET fence, MULTI ─┬─ this batch's number ────────> it is in force
//!                                ├─ another of the lane's ──────> it never will be: its EXEC watches a fence that moved
//!                                ├─ what it was at the load ─> SET fence <next>, EXEC ─┬─ done ─> it never will be
//!                                │                                                    └─ null ─> ask again
//!                                └─ nothing, or anything else ──> nobody can know
//! ```
//!
//! The move is a transaction of its own so that the question survives the loss of its own answer: the batch's
//! number is never overwritten without having been seen. (A plain `SET fence <next> GET` destroys what it
//! reads: if that answer is lost too, the next asker finds `<next>` and wrongly takes the batch for lost.)
//!
//! A fence that is gone tells nothing: it may have been written and then evicted, or have expired by a clock that was
//! set, or have been deleted by a person.

use bytes::Bytes;
use fred::{bytes_utils::Str, util::redis_keyslot};

use crate::store::connection::{Connection, ConnectionError, Reply};

/// How long the fence of an instance that is gone stays, in seconds. It must outlast every connection
/// on which one of its transactions could still be under way.
const KEPT_SECONDS: &[u8] = b"3600";

pub(super) struct Fence {
    key: Str,
}

/// An EXEC that was sent and not answered.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    /// Its own number, which it writes into the fence.
    pub(super) number: u64,
    /// What the fence held when the batch was loaded.
    pub(super) seen: Bytes,
}

/// What has become of an EXEC that was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It has happened.
    InForce,
    /// It has not, and never will.
    NotInForce,
    /// The fence is gone, or somebody else has written it.
    Unknown,
}

/// What the fence's value says.
#[derive(Debug, PartialEq, Eq)]
enum Judgement {
    Final(Verdict),
    /// The EXEC has not happened, and it still may.
    Unmoved,
}

impl Sent {
    /// What is to be made of the fence's value, if this question has moved it with numbers up to `moved_to`.
    fn judge(&self, found: Option<&[u8]>, moved_to: u64) -> Judgement {
        let number = |bytes: &[u8]| std::str::from_utf8(bytes).ok()?.parse::<u64>().ok();
        match found {
            None => Judgement::Final(Verdict::Unknown),
            Some(value) if value == self.seen => Judgement::Unmoved,
            Some(value) => match number(value) {
                Some(number) if number == self.number => Judgement::Final(Verdict::InForce),
                // A move whose answer was lost, or an earlier batch that came late. Either came after the load, and the
                // EXEC watches the fence.
                Some(number) if number <= moved_to => Judgement::Final(Verdict::NotInForce),
                _ => Judgement::Final(Verdict::Unknown),
            },
        }
    }
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
    pub(super) fn queue(&self, connection: &mut Connection, number: u64) {
        let number = number.to_string();
        connection.queue("SET", [self.key.as_bytes(), number.as_bytes(), b"EX", KEPT_SECONDS]);
    }

    /// What has become of an EXEC, asked so that the answer stays true. The connection is fit for a load afterwards.
    ///
    /// `None`: the fence moved while it was asked, or the answer leaves it open; ask again, on another connection.
    /// `moved_to` is a number that nothing else has, and later than those of this question's earlier tries.
    pub(super) async fn resolve(
        &self,
        connection: &mut Connection,
        sent: &Sent,
        moved_to: u64,
    ) -> Result<Option<Verdict>, ConnectionError> {
        // In this order, as in `Transaction::load`. MULTI is among them so that it is known to be in force before the
        // move is sent: were it refused, the move would be done unwatched.
        connection.queue("WATCH", [self.key.as_bytes()]);
        connection.queue("GET", [self.key.as_bytes()]);
        connection.queue("MULTI", []);
        let replies = connection.exchange().await?;
        let found = match replies.as_slice() {
            [Reply::SimpleString(_), Reply::BulkString(found), Reply::SimpleString(_)] => Some(&**found),
            [Reply::SimpleString(_), Reply::Null, Reply::SimpleString(_)] => None,
            _ => return Ok(None),
        };
        if let Judgement::Final(verdict) = sent.judge(found, moved_to) {
            connection.queue("DISCARD", []);
            connection.exchange().await?;
            return Ok(Some(verdict));
        }
        self.queue(connection, moved_to);
        connection.queue("EXEC", []);
        match connection.exchange().await?.as_slice() {
            [Reply::SimpleString(_), Reply::Array(_)] => Ok(Some(Verdict::NotInForce)),
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_lane_has_seen_or_written_itself_tells_what_became_of_an_exec() {
        let sent = Sent {
            number: 7,
            seen: "6".into(),
        };
        let judge = |found: Option<&[u8]>| sent.judge(found, 9);
        assert_eq!(judge(Some(b"7")), Judgement::Final(Verdict::InForce));
        assert_eq!(judge(Some(b"6")), Judgement::Unmoved);
        for moved in [&b"8"[..], b"9", b"5"] {
            assert_eq!(judge(Some(moved)), Judgement::Final(Verdict::NotInForce));
        }
        for strange in [None, Some(&b"10"[..]), Some(b"moved by hand"), Some(b"")] {
            assert_eq!(judge(strange), Judgement::Final(Verdict::Unknown), "{strange:?}");
        }
    }
}
