//! Reading: one waiting call for all partitions that may be read.

use std::{pin::pin, sync::Arc, time::Duration};

use engine::store::connection::{Connection, Reply};
use tokio::time::{Instant, sleep, timeout};

use super::{
    Context, Handler, group,
    seat::{Arrival, Turn},
    takeover::PAGE,
};
use crate::{
    BusError,
    replies::{answered, number, streams},
};

/// How long until a waiting read is called back again that was not heard.
const AGAIN: Duration = Duration::from_millis(10);

/// A connection that reads, and what Redis calls it.
struct Reading {
    connection: Connection,
    client: String,
}

/// Reads for as long as it is polled.
pub(super) async fn read<H: Handler>(context: Arc<Context<H>>) {
    let block = context.config.block();
    let mut reading = None;
    loop {
        let turns = context.seats.turn(Instant::now() + block, context.config.ahead);
        if turns.is_empty() {
            // An ownership that was renewed rings no bell.
            let _ = timeout(block, context.seats.bell.notified()).await;
            continue;
        }
        match next(&context, &mut reading, &turns).await {
            Ok(reply) => deliver(reply, &turns),
            Err(cause) => {
                reading = None;
                unclear(&context, &turns, &cause).await;
            }
        }
    }
}

/// The answer to one read: within the block time, or earlier if the bell rings.
async fn next<H: Handler>(
    context: &Context<H>,
    reading: &mut Option<Reading>,
    turns: &[Turn],
) -> Result<Reply, BusError> {
    let block = context.config.block();
    // Out of its place while it is used: a connection that failed is not used again.
    let mut reader = match reading.take() {
        Some(reader) => reader,
        None => open(context).await?,
    };
    let (millis, count) = (block.as_millis().max(1).to_string(), PAGE.to_string());
    let mut words = vec!["GROUP", &context.config.group, &context.config.name];
    words.extend(["COUNT", &count, "BLOCK", &millis, "STREAMS"]);
    words.extend(turns.iter().map(|turn| turn.seat.key.as_str()));
    words.extend(turns.iter().map(|_| ">"));
    reader
        .connection
        .queue("XREADGROUP", words.into_iter().map(str::as_bytes));
    let replies = heard(context, &mut reader).await?;
    let reply = answered(replies)?.pop().ok_or(BusError::Strange("no answer"))?;
    *reading = Some(reader);
    Ok(reply)
}

async fn open<H: Handler>(context: &Context<H>) -> Result<Reading, BusError> {
    let mut connection = context.bus.connect().await?;
    connection.queue("CLIENT", [&b"ID"[..]]);
    let id = answered(connection.exchange().await?)?.pop().and_then(number);
    let client = id.ok_or(BusError::Strange("no client's id"))?.to_string();
    Ok(Reading { connection, client })
}

/// Waits for the answer to what was queued. If the bell rings, calls the waiting read back; again and again, because it may
/// not be waiting yet.
async fn heard<H: Handler>(context: &Context<H>, reader: &mut Reading) -> Result<Vec<Reply>, BusError> {
    let mut answer = pin!(reader.connection.exchange_waiting(context.config.block()));
    tokio::select! {
        replies = &mut answer => return Ok(replies?),
        () = context.seats.bell.notified() => {}
    }
    loop {
        let words = ["UNBLOCK", &reader.client].map(str::as_bytes);
        // If it cannot be called back, it comes by itself when its time is over.
        let _ = context.line.ask(|connection| connection.queue("CLIENT", words)).await;
        if let Ok(replies) = timeout(AGAIN, &mut answer).await {
            return Ok(replies?);
        }
    }
}

fn deliver(reply: Reply, turns: &[Turn]) {
    for (key, entries) in streams(reply) {
        if let Some(turn) = turns.iter().find(|turn| turn.seat.key == key) {
            // A worker that is gone leaves them pending.
            turn.seat.send(Arrival::Entries(entries));
        }
    }
}

/// A read failed. Redis may have delivered entries that nobody got, or may do so for as long as it lets the read wait.
/// Only then are they all pending, and may be taken before newer ones are read.
async fn unclear<H: Handler>(context: &Context<H>, turns: &[Turn], cause: &BusError) {
    tracing::warn!(group = context.config.group, %cause, "events could not be read");
    for turn in turns {
        turn.seat.shut();
    }
    if group::is_missing(cause) {
        let partitions: Vec<_> = turns.iter().map(|turn| turn.seat.partition).collect();
        group::mend(&context.line, &context.config.group, &partitions).await;
    } else {
        sleep(context.config.block()).await;
    }
    for turn in turns {
        turn.seat.send(Arrival::Unclear);
    }
}
