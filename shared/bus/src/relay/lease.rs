//! Which relay of a topic works. Advice: see [`super`].

use std::time::Duration;

use engine::store::connection::Reply;
use tokio_util::sync::CancellationToken;

use super::Line;
use crate::{
    BusError, Topic,
    replies::{answered, number, text},
};

/// How long a relay that says nothing keeps its lease.
pub(super) const LEASE: Duration = Duration::from_secs(5);
/// How often the others ask for it.
const ASK: Duration = Duration::from_secs(1);

/// `topics`: how many partitions each topic has.
const TOPICS: &str = "topics";

/// Says how many partitions the topic has, before its first event.
pub(super) async fn announce(line: &mut Line, topic: Topic, partitions: u16) -> Result<(), BusError> {
    let count = partitions.to_string();
    let name = topic.name().as_bytes();
    line.queue("HSETNX", [TOPICS.as_bytes(), name, count.as_bytes()]);
    line.queue("HGET", [TOPICS.as_bytes(), name]);
    let known = answered(line.exchange().await?)?.into_iter().nth(1).and_then(number);
    if known == Some(u64::from(partitions)) {
        Ok(())
    } else {
        Err(BusError::Strange(
            "the bus knows the topic with another number of partitions",
        ))
    }
}

/// Waits until the lease is free and takes it; false if `stop` comes first.
pub(super) async fn wait_for(
    line: &mut Line,
    topic: Topic,
    own: &str,
    stop: &CancellationToken,
) -> Result<bool, BusError> {
    let (key, kept) = (topic.lease_key(), LEASE.as_millis().to_string());
    loop {
        line.queue("SET", [key.as_bytes(), own.as_bytes(), b"NX", b"PX", kept.as_bytes()]);
        line.queue("GET", [key.as_bytes()]);
        let mut replies = answered(line.exchange().await?)?.into_iter();
        let (taken, owner) = (replies.next(), replies.next().and_then(text));
        if !matches!(taken, Some(Reply::Null)) || owner.as_deref() == Some(own) {
            return Ok(true);
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(false),
            () = tokio::time::sleep(ASK) => {}
        }
    }
}
