//! Whether one subject's events are all there, once and in order. Pure.

use std::{cmp::Ordering, collections::BTreeMap};

use super::{Ends, EventRow, Seen};
use crate::finding::Kind;

/// What is off with the events of a subject.
pub(super) fn judge(rows: &[EventRow]) -> Vec<(Kind, String)> {
    let (mut waiting, mut moved, mut counted, mut ends) = (Vec::new(), Vec::new(), 0, None);
    for row in rows {
        match row {
            EventRow::Waiting(seen) => waiting.push(*seen),
            EventRow::Moved(seen) => moved.push(*seen),
            // A scan may name a record twice; both were read before any event.
            EventRow::Counted { sequence, ends: known } if *sequence >= counted => {
                (counted, ends) = (*sequence, *known);
            }
            EventRow::Counted { .. } => {}
        }
    }
    let mut off = out_of_order(&moved, "on the bus");
    off.extend(out_of_order(&waiting, "in the outbox"));
    let mut all: BTreeMap<u64, Seen> = BTreeMap::new();
    all.extend(moved.iter().chain(&waiting).map(|seen| (seen.sequence, *seen)));
    off.extend(missing(&all, counted));
    off.extend(ended_wrongly(&all, ends));
    off
}

/// Numbers that do not rise, in the order of one stream.
fn out_of_order(seen: &[Seen], place: &str) -> Vec<(Kind, String)> {
    let pairs = seen.windows(2).map(|pair| (pair[0].sequence, pair[1].sequence));
    let off = pairs.filter_map(|(first, second)| match first.cmp(&second) {
        Ordering::Less => None,
        Ordering::Equal => Some((Kind::EventTwice, format!("event {first} is {place} twice"))),
        Ordering::Greater => {
            let detail = format!("event {second} is {place} behind event {first}");
            Some((Kind::EventOutOfOrder, detail))
        }
    });
    off.collect()
}

/// Numbers between the first that is there and the last that there must be.
fn missing(all: &BTreeMap<u64, Seen>, counted: u64) -> Vec<(Kind, String)> {
    let (Some((first, seen)), Some((last, _))) = (all.first_key_value(), all.last_key_value()) else {
        return Vec::new();
    };
    // What came before may have been trimmed, if anything was.
    let from = if seen.is_whole { 1 } else { *first };
    let gaps = (from..=counted.max(*last)).filter(|number| !all.contains_key(number));
    // A long gap is one finding.
    let gaps: Vec<u64> = gaps.collect();
    match gaps.as_slice() {
        [] => Vec::new(),
        [only] => vec![(Kind::EventMissing, format!("event {only} is nowhere"))],
        [first, .., last] => vec![(
            Kind::EventMissing,
            format!(
                "{} events are nowhere, the first of them {first} and the last {last}",
                gaps.len()
            ),
        )],
    }
}

/// Attempts that have ended, and not by exactly one event that says so.
fn ended_wrongly(all: &BTreeMap<u64, Seen>, ends: Option<Ends>) -> Vec<(Kind, String)> {
    let Some(ends) = ends else {
        return Vec::new();
    };
    let mut by_attempt: BTreeMap<u32, Vec<bool>> = BTreeMap::new();
    for (attempt, is_paid) in all.values().filter_map(|seen| seen.end) {
        by_attempt.entry(attempt).or_default().push(is_paid);
    }
    let is_complete = all.contains_key(&1);
    let mut off = Vec::new();
    for attempt in 1..=ends.attempts {
        let told = by_attempt.get(&attempt).map_or(&[][..], Vec::as_slice);
        match told {
            [] if is_complete => off.push((
                Kind::EventMissing,
                format!("no event tells how attempt {attempt} ended"),
            )),
            [_, _, ..] => off.push((
                Kind::EventTwice,
                format!("attempt {attempt} ended {} times", told.len()),
            )),
            [false] if ends.is_paid && attempt == ends.attempts => {
                off.push((
                    Kind::EventWrong,
                    format!("attempt {attempt} paid, and an event says that it was rejected"),
                ));
            }
            _ => {}
        }
    }
    off
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(sequence: u64) -> Seen {
        Seen {
            sequence,
            end: None,
            is_whole: true,
        }
    }

    fn moved(numbers: &[u64]) -> Vec<EventRow> {
        numbers.iter().map(|number| EventRow::Moved(seen(*number))).collect()
    }

    fn counted(sequence: u64) -> EventRow {
        EventRow::Counted { sequence, ends: None }
    }

    fn kinds(rows: &[EventRow]) -> Vec<Kind> {
        judge(rows).into_iter().map(|(kind, _)| kind).collect()
    }

    #[test]
    fn what_is_all_there_is_fine_wherever_it_is() {
        let mut rows = moved(&[1, 2, 3]);
        rows.extend([counted(4), EventRow::Waiting(seen(3)), EventRow::Waiting(seen(4))]);
        assert_eq!(kinds(&rows), []);
        rows.push(EventRow::Waiting(seen(5)));
        assert_eq!(kinds(&rows), [], "it was emitted after the record was read");
        assert_eq!(kinds(&[counted(3)]), [], "all of it may have been trimmed");
    }

    #[test]
    fn an_event_that_is_nowhere_is_found() {
        let with = |numbers: &[u64], count| [moved(numbers), vec![counted(count)]].concat();
        assert_eq!(kinds(&with(&[1, 3], 3)), [Kind::EventMissing]);
        assert_eq!(kinds(&with(&[1, 2], 3)), [Kind::EventMissing]);
        assert_eq!(kinds(&with(&[2, 3], 3)), [Kind::EventMissing]);
        let trimmed = EventRow::Moved(Seen {
            is_whole: false,
            ..seen(2)
        });
        assert_eq!(kinds(&[trimmed, counted(2)]), [], "what was before is trimmed");
    }

    #[test]
    fn an_event_that_is_there_twice_or_too_late_is_found() {
        assert_eq!(kinds(&moved(&[1, 2, 2, 3])), [Kind::EventTwice]);
        assert_eq!(kinds(&moved(&[1, 3, 2])), [Kind::EventOutOfOrder]);
    }

    #[test]
    fn every_attempt_that_ended_has_one_event_that_says_how() {
        let end = |sequence, attempt, is_paid| {
            EventRow::Moved(Seen {
                end: Some((attempt, is_paid)),
                ..seen(sequence)
            })
        };
        let record = |attempts, is_paid| EventRow::Counted {
            sequence: 3,
            ends: Some(Ends { attempts, is_paid }),
        };
        let created = EventRow::Moved(seen(1));
        let paid = |rows: &[EventRow]| kinds(rows);
        let (rejected, second) = (end(2, 1, false), end(3, 2, true));
        assert_eq!(
            paid(&[created.clone(), rejected.clone(), second.clone(), record(2, true)]),
            []
        );
        let third = EventRow::Moved(seen(3));
        let without = [created.clone(), rejected.clone(), third, record(2, true)];
        assert_eq!(paid(&without), [Kind::EventMissing]);
        let twice = [created.clone(), end(2, 1, true), end(3, 1, true), record(1, true)];
        assert_eq!(paid(&twice), [Kind::EventTwice]);
        let wrong = [created, rejected, end(3, 2, false), record(2, true)];
        assert_eq!(paid(&wrong), [Kind::EventWrong]);
    }
}
