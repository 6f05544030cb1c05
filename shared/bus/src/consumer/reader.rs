//! Reading: one waiting call for all partitions that may be read, then what is new in those where something came.
//!
//! The wait delivers nothing. What delivers is a script that first looks whose the partition is: a consumer that stood still
//! between a look at its clock and its read would otherwise be given an event that the new owner overtakes
//! (`tests/models/consumers.rs`).

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
    replies::{EntryId, answered, array, entry, number, streams, text},
};

/// How long until a waiting read is called back again that was not heard.
const AGAIN: Duration = Duration::from_millis(10);

/// Null: the partition is not this consumer's. The entries that came next. Or, if there are none, the last id of all.
const READ: &str = "
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
local read = redis.call('XREADGROUP', 'GROUP', ARGV[2], ARGV[3], 'COUNT', ARGV[4], 'STREAMS', KEYS[2], '>')
if read then return read[1][2] end
local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
return last and last[1] or '0-0'";

/// A connection that reads, and what Redis calls it.
struct Reading {
    connection: Connection,
    client: String,
    /// When all partitions were read last, whether something came to them or not.
    looked: Option<Instant>,
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
        if let Err(cause) = next(&context, &mut reading, &turns).await {
            reading = None;
            unclear(&context, &turns, &cause).await;
        }
    }
}

/// Waits until something is there, for the block time at most or until the bell rings, and reads it.
async fn next<H: Handler>(context: &Context<H>, reading: &mut Option<Reading>, turns: &[Turn]) -> Result<(), BusError> {
    // Out of its place while it is used: a connection that failed is not used again.
    let mut reader = match reading.take() {
        Some(reader) => reader,
        None => open(context).await?,
    };
    let block = context.config.block().as_millis().max(1).to_string();
    let tips: Vec<String> = turns.iter().map(|turn| turn.seat.tip().to_string()).collect();
    let words = ["COUNT", "1", "BLOCK", &block, "STREAMS"].into_iter();
    let words = words.chain(turns.iter().map(|turn| turn.seat.key.as_str()));
    let words = words.chain(tips.iter().map(String::as_str));
    reader.connection.queue("XREAD", words.map(str::as_bytes));
    let reply = answered(heard(context, &mut reader).await?)?.pop();
    let came: Vec<String> = reply
        .map(streams)
        .unwrap_or_default()
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    // Now and then all are: an operator may have told the group to begin earlier.
    let all = came.is_empty() || reader.looked.is_none_or(|at| at.elapsed() > context.config.block());
    if all {
        reader.looked = Some(Instant::now());
    }
    let wanted = turns.iter().filter(|turn| all || came.contains(&turn.seat.key));
    let wanted: Vec<&Turn> = wanted.collect();
    let (config, count) = (&context.config, PAGE.to_string());
    for turn in &wanted {
        let owner = turn.seat.partition.owner_key(&config.group);
        let words = [
            READ,
            "2",
            &owner,
            &turn.seat.key,
            &context.me,
            &config.group,
            &config.name,
            &count,
        ];
        reader.connection.queue("EVAL", words.map(str::as_bytes));
    }
    let replies = answered(reader.connection.exchange().await?)?;
    *reading = Some(reader);
    for (turn, reply) in wanted.into_iter().zip(replies) {
        deliver(turn, reply);
    }
    Ok(())
}

async fn open<H: Handler>(context: &Context<H>) -> Result<Reading, BusError> {
    let mut connection = context.bus.connect().await?;
    connection.queue("CLIENT", [&b"ID"[..]]);
    let id = answered(connection.exchange().await?)?.pop().and_then(number);
    let client = id.ok_or(BusError::Strange("no client's id"))?.to_string();
    Ok(Reading {
        connection,
        client,
        looked: None,
    })
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

fn deliver(turn: &Turn, reply: Reply) {
    match reply {
        Reply::Null => turn.seat.lose(),
        Reply::Array(_) => {
            let entries: Vec<_> = array(reply).into_iter().filter_map(entry).collect();
            if let Some(last) = entries.last() {
                turn.seat.has_read_to(last.id);
            }
            // A worker that is gone leaves them pending.
            turn.seat.send(Arrival::Entries(entries));
        }
        last => turn
            .seat
            .has_read_to(text(last).and_then(|id| EntryId::parse(&id)).unwrap_or_default()),
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
