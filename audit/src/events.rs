//! The conservation of events: each that a record counts is on the bus or on its way there, once and in order.
//!
//! # Why what is read later may be ahead, and never behind
//! Records are read first, then outboxes, then topics. A record counts its events, so all of these were emitted before it
//! was read. An event moves from the outbox to the topic, so it is missed in neither if the outbox is read first; one that
//! was in both is known by its number.

mod judge;

use bus::{
    Bus, Topic,
    inspect::{EntryCounts, StreamReader, entry_counts, is_whole, partition_count},
};
use engine::{Emitted, store::connection::Connection};
use order::record::{Order, Status};
use serde::{Deserialize, Serialize};

use self::judge::judge;
use crate::{
    finding::{Findings, Kind},
    sources::Source,
    spill::Spill,
};

/// What is known of one subject's events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum EventRow {
    /// Its record counts so many.
    Counted { sequence: u64, ends: Option<Ends> },
    /// One of them waits in the outbox.
    Waiting(Seen),
    /// One of them is on the bus.
    Moved(Seen),
}

/// An event that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) sequence: u64,
    /// The attempt that it ends, and whether by paying.
    pub(crate) end: Option<(u32, bool)>,
    /// Whether its stream still has all that it ever had.
    pub(crate) is_whole: bool,
}

/// How the attempts at an order ended, by its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ends {
    /// How many have ended.
    pub(crate) attempts: u32,
    /// Whether the last one paid.
    pub(crate) is_paid: bool,
}

impl From<&Order> for Ends {
    fn from(order: &Order) -> Self {
        let under_way = u32::from(order.drive().is_some());
        Self {
            attempts: order.attempt.saturating_sub(under_way),
            is_paid: order.status == Status::Paid,
        }
    }
}

/// A subject and what is known of one of its events.
pub(crate) type SubjectRow = (String, EventRow);

/// How many events there are.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub(crate) struct EventTotals {
    /// On the bus.
    pub(crate) events: u64,
    /// Entries in outboxes that wait to be moved.
    pub(crate) entries_waiting: u64,
    /// Entries that were cut before they were moved, which the relay has counted.
    pub(crate) entries_lost: u64,
}

/// Remembers how many events a record counts.
pub(crate) fn count(
    rows: &mut Spill<SubjectRow>,
    topic: Topic,
    id: &str,
    sequence: u64,
    ends: Option<Ends>,
) -> anyhow::Result<()> {
    let subject = format!("{topic}:{id}");
    rows.add(&subject, &(subject.clone(), EventRow::Counted { sequence, ends }))
}

/// Reads a service's outboxes, and then its topic.
pub(crate) async fn sweep_events(
    topic: Topic,
    source: &Source,
    bus: &Bus,
    rows: &mut Spill<SubjectRow>,
    totals: &mut EventTotals,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let (mut store_line, mut bus_line) = (source.store.connect("").await?, bus.connect().await?);
    let outboxes = source.partitions.outboxes(source.store.is_clustered()).into_iter();
    let outboxes: Vec<String> = outboxes.map(|outbox| outbox.name().to_string()).collect();
    if partition_count(&mut bus_line, topic).await?.is_none() {
        // Nothing was ever moved there, so there is nothing to compare with.
        return Ok(());
    }
    for (number, outbox) in outboxes.iter().enumerate() {
        let counts = entry_counts(&mut store_line, &outboxes, number, &mut bus_line, topic).await?;
        check_counts(topic, outbox, counts, findings)?;
        totals.entries_waiting += counts.waiting;
        totals.entries_lost += counts.lost;
        read(&mut store_line, outbox, findings, |event, is_whole| {
            add(rows, topic, event, is_whole, EventRow::Waiting)
        })
        .await?;
    }
    for number in 0..source.partitions.count() {
        let key = topic.partition(number).stream_key();
        read(&mut bus_line, &key, findings, |event, is_whole| {
            totals.events += 1;
            add(rows, topic, event, is_whole, EventRow::Moved)
        })
        .await?;
    }
    Ok(())
}

/// Judges each subject by all that is known of its events.
pub(crate) fn judge_events(rows: Spill<SubjectRow>, findings: &mut Findings) -> anyhow::Result<()> {
    for bucket in rows.into_buckets() {
        let mut subjects: std::collections::BTreeMap<String, Vec<EventRow>> = std::collections::BTreeMap::new();
        for row in bucket? {
            let (subject, row) = row?;
            subjects.entry(subject).or_default().push(row);
        }
        for (subject, rows) in subjects {
            for (kind, detail) in judge(&rows) {
                findings.add(kind, subject.clone(), detail)?;
            }
        }
    }
    Ok(())
}

fn check_counts(topic: Topic, outbox: &str, counts: EntryCounts, findings: &mut Findings) -> anyhow::Result<()> {
    if counts.add_up() {
        return Ok(());
    }
    let EntryCounts {
        emitted,
        relayed,
        waiting,
        lost,
    } = counts;
    findings.add(
        Kind::EventsUnaccounted,
        format!("{topic} {outbox}"),
        format!("{emitted} entries were emitted: {relayed} moved, {waiting} waiting and {lost} lost are not as many"),
    )
}

async fn read(
    line: &mut Connection,
    key: &str,
    findings: &mut Findings,
    mut visit: impl FnMut(&Emitted, bool) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let is_whole = is_whole(line, key).await?;
    let mut reader = StreamReader::new(key);
    loop {
        let page = reader.page(line).await?;
        if page.is_empty() {
            return Ok(());
        }
        for entry in page {
            match entry.events {
                Ok(events) => events.iter().try_for_each(|event| visit(event, is_whole))?,
                Err(cause) => findings.add(Kind::Unreadable, format!("{key} {}", entry.id), cause)?,
            }
        }
    }
}

fn add(
    rows: &mut Spill<SubjectRow>,
    topic: Topic,
    event: &Emitted,
    is_whole: bool,
    row: fn(Seen) -> EventRow,
) -> anyhow::Result<()> {
    let subject = format!("{topic}:{}", event.subject);
    let seen = Seen {
        sequence: event.sequence,
        end: end_of(event),
        is_whole,
    };
    rows.add(&subject, &(subject.clone(), row(seen)))
}

/// The attempt that an event ends, and whether by paying.
fn end_of(event: &Emitted) -> Option<(u32, bool)> {
    #[derive(Deserialize)]
    struct OfSaga {
        saga_id: domain::SagaId,
    }
    let is_paid = match event.r#type.as_str() {
        "order.paid" => true,
        "order.rejected" => false,
        _ => return None,
    };
    let of_saga: OfSaga = serde_json::from_str(event.data.get()).ok()?;
    Some((of_saga.saga_id.attempt, is_paid))
}
