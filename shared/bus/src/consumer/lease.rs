//! Who owns a partition: a key with the owner's name and instance, which lasts no longer than it is renewed.
//!
//! Each change of it is one script, so that two never both own a partition by the bus's word. By the owner's own clock
//! its ownership ends earlier, counted from before it asked: it stops before another can begin.

use domain::Timestamp;
use engine::store::connection::{Connection, Reply};

use super::config::LONGEST_LEASE;
use crate::{
    BusError,
    replies::{array, text},
};

/// The owner of a partition whose last owner left nothing under way.
pub(super) const RELEASED: &str = "released";

/// 1: taken. 2: taken, and the last owner had released it. 0: another's.
const TAKE: &str = "
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] and owner ~= ARGV[3] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return owner == ARGV[3] and 2 or 1";

/// 1: kept. 0: another's, or nobody's: another may have had it since, and left something.
const KEEP: &str = "
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])";

/// A bus without room refuses the word that it is released; then the next owner waits.
const RELEASE: &str = "
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local said = redis.pcall('SET', KEYS[1], ARGV[2])
if said.err then redis.call('DEL', KEYS[1]) end
return 1";

/// What became of an attempt to own a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is another's.
    No,
    /// Its last owner may be dead, or nobody ever owned it.
    Silent,
    /// Its last owner released it.
    Released,
}

pub(super) fn queue_take(connection: &mut Connection, key: &str, owner: &str, millis: &str) {
    connection.queue("EVAL", [TAKE, "1", key, owner, millis, RELEASED].map(str::as_bytes));
}

pub(super) fn queue_keep(connection: &mut Connection, key: &str, owner: &str, millis: &str) {
    connection.queue("EVAL", [KEEP, "1", key, owner, millis].map(str::as_bytes));
}

pub(super) fn queue_release(connection: &mut Connection, key: &str, owner: &str) {
    connection.queue("EVAL", [RELEASE, "1", key, owner, RELEASED].map(str::as_bytes));
}

/// Lets another's ownership end within the longest lease that there is. Only if the clock was set back does it last longer.
pub(super) fn queue_shorten(connection: &mut Connection, key: &str) {
    let longest = LONGEST_LEASE.as_millis().to_string();
    connection.queue("PEXPIRE", [key, &longest, "LT"].map(str::as_bytes));
}

/// What [`queue_take`] was answered. An error is a no: the next round asks again.
pub(super) fn taken(reply: &Reply) -> Taken {
    match reply {
        Reply::Integer(1) => Taken::Silent,
        Reply::Integer(2) => Taken::Released,
        _ => Taken::No,
    }
}

/// The bus's clock, as TIME tells it.
pub(super) fn time(reply: Reply) -> Result<Timestamp, BusError> {
    let mut parts = array(reply).into_iter().filter_map(text);
    let parts = parts.next().zip(parts.next());
    let time = parts.and_then(|(seconds, micros)| Timestamp::from_redis(&seconds, &micros));
    time.ok_or(BusError::Strange("no time"))
}
