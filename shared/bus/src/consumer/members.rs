//! Which consumers of a group are there.

use super::{Context, Handler, Line, lease::time, share::live};
use crate::{
    BusError,
    replies::{array, number, text},
};

/// `members:<group>`: the group's consumers by when they announced themselves last, by the bus's clock.
fn key(group: &str) -> String {
    format!("members:{group}")
}

/// Announces this consumer. Returns all that are there, sorted, this one among them.
pub(super) async fn announce<H: Handler>(line: &Line, context: &Context<H>) -> Result<Vec<String>, BusError> {
    let (key, lease) = (key(&context.config.group), context.config.lease());
    let now = time(line.ask_one(|connection| connection.queue("TIME", [])).await?)?;
    let at = now.as_millis().to_string();
    let dead = now.before(lease).as_millis().to_string();
    // From before the clock was set back.
    let ghosts = now
        .as_millis()
        .saturating_add(u64::try_from(lease.as_millis()).unwrap_or(u64::MAX));
    let ghosts = ghosts.to_string();
    let mut replies = line
        .ask_all(|connection| {
            let remove = |from, to| [key.as_str(), from, to].map(str::as_bytes);
            connection.queue("ZREMRANGEBYSCORE", remove("-inf", &dead));
            connection.queue("ZREMRANGEBYSCORE", remove(&ghosts, "+inf"));
            // A bus without room refuses this one. Then all keep what they have.
            connection.queue("ZADD", [&key, &at, &context.me].map(String::as_bytes));
            connection.queue("ZRANGE", [&key, "0", "-1", "WITHSCORES"].map(str::as_bytes));
        })
        .await?;
    let listed = replies.pop().map(array).unwrap_or_default();
    let announced = listed.chunks_exact(2).filter_map(|pair| {
        let at = number(pair[1].clone()).map(domain::Timestamp::from_millis)?;
        Some((text(pair[0].clone())?, at))
    });
    let mut members = live(announced.collect(), now, lease);
    if let Err(place) = members.binary_search(&context.me) {
        members.insert(place, context.me.clone());
    }
    Ok(members)
}

/// Ends the membership.
pub(super) async fn leave<H: Handler>(line: &Line, context: &Context<H>) -> Result<(), BusError> {
    let key = key(&context.config.group);
    let words = [&key, &context.me].map(String::as_bytes);
    line.ask(|connection| connection.queue("ZREM", words)).await.map(drop)
}
