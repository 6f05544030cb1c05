//! Whether everything came in time: each call its answer, each saga its end. Pure: what happened in, violations out.

use std::{collections::BTreeMap, time::Duration};

use domain::ServiceName;
use harness::Trouble;
use serde::Serialize;

use super::{
    fault::{Fault, Link},
    history::{Operation, Reply},
    times::{RECOVERED_WITHIN, SAGA_DEADLINE, answered_within},
};

/// A fault as it happened, by the history's clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Lapse {
    /// When it began.
    pub(crate) begun: Duration,
    /// When it was over: what was killed listens again.
    pub(crate) ended: Duration,
    /// What it was.
    pub(crate) fault: Fault,
    /// How many open connections it took, if it is a silence.
    pub(crate) connections: usize,
}

/// A saga that was seen to be unfinished, by the history's clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Unfinished {
    /// When it was seen first.
    pub(crate) first: Duration,
    /// When it was seen last.
    pub(crate) last: Duration,
}

impl Unfinished {
    /// How old it is known to have become.
    #[must_use]
    pub(crate) fn age(&self) -> Duration {
        self.last.saturating_sub(self.first)
    }
}

/// Every call that was not answered in time, although the replica that it was sent to ran and could be reached.
///
/// What is broken behind a replica is no excuse.
#[must_use]
pub(crate) fn late_calls(operations: &[Operation], lapses: &[Lapse]) -> Vec<String> {
    let mut found = Vec::new();
    let mut unheard: BTreeMap<(ServiceName, usize), Vec<&Operation>> = BTreeMap::new();
    for operation in operations.iter().filter(|one| !is_excused(one, lapses)) {
        let bound = answered_within(&operation.call);
        let took = operation.took();
        match &operation.told {
            Reply::Answer { .. } if took > bound => {
                found.push(format!(
                    "an answer after {took:.2?}, and not within {bound:.2?}: {operation:?}"
                ));
            }
            // The client itself hung up, within the time in which it could not expect an answer.
            Reply::Nothing if took >= operation.patience && operation.patience < bound => {}
            Reply::Nothing => unheard.entry(operation.reached()).or_default().push(operation),
            Reply::Answer { .. } => {}
        }
    }
    for (replica, calls) in unheard {
        // A connection that has fallen silent swallows the one call that is made on it some time.
        for (number, call) in calls.into_iter().enumerate() {
            if number >= silenced(replica, call, lapses) {
                found.push(format!("no answer: {call:?}"));
            }
        }
    }
    found
}

/// How long the slowest answer took of a replica that was not in trouble itself.
#[must_use]
pub(crate) fn slowest_answer(operations: &[Operation], lapses: &[Lapse]) -> Duration {
    let answered = operations
        .iter()
        .filter(|one| one.told != Reply::Nothing && !is_excused(one, lapses));
    answered.map(Operation::took).max().unwrap_or_default()
}

/// Every saga that was unfinished for longer than its deadline and the time to recover, what was broken not counted.
#[must_use]
pub(crate) fn overdue_sagas(sagas: &BTreeMap<String, Unfinished>, lapses: &[Lapse]) -> Vec<String> {
    let bound = SAGA_DEADLINE + RECOVERED_WITHIN;
    let overdue = sagas.iter().filter_map(|(id, seen)| {
        let age = seen.age();
        let unbroken = age.saturating_sub(broken(seen, lapses));
        (unbroken > bound).then(|| format!("saga {id} was unfinished for {age:.1?}, {unbroken:.1?} of it unbroken"))
    });
    overdue.collect()
}

/// Whether the replica that the call was sent to, or the wire to it, was in trouble meanwhile.
fn is_excused(operation: &Operation, lapses: &[Lapse]) -> bool {
    let (part, replica) = operation.reached();
    lapses.iter().any(|lapse| {
        let touches = match lapse.fault {
            Fault::Kill(at, number) | Fault::Terminate(at, number) | Fault::Pause(at, number) => (at, number),
            Fault::Wire(Link::Public(at, number), trouble) if trouble != Trouble::Duplicate => (at, number),
            _ => return false,
        };
        touches == (part, replica) && lapse.begun <= operation.ended && operation.begun <= lapse.ended
    })
}

/// How many connections from clients to a replica had fallen silent before a call was over.
fn silenced((part, replica): (ServiceName, usize), call: &Operation, lapses: &[Lapse]) -> usize {
    let silences = lapses
        .iter()
        .filter(|lapse| lapse.fault == Fault::Silence(Link::Public(part, replica)) && lapse.begun <= call.ended);
    silences.map(|lapse| lapse.connections).sum()
}

/// For how long anything was broken while the saga was seen.
fn broken(seen: &Unfinished, lapses: &[Lapse]) -> Duration {
    let within = |lapse: &Lapse| (lapse.begun.max(seen.first), lapse.ended.min(seen.last));
    let mut spans: Vec<(Duration, Duration)> = lapses.iter().map(within).collect();
    spans.sort();
    let (mut total, mut until) = (Duration::ZERO, seen.first);
    for (begun, ended) in spans {
        total += ended.saturating_sub(begun.max(until));
        until = until.max(ended);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::{
        super::history::{Call, Content},
        *,
    };

    const HEARD: Reply = Reply::Answer {
        status: 503,
        says: Content::Left(0),
    };
    const SILENCED: Fault = Fault::Silence(Link::Public(ServiceName::Order, 1));

    fn at(tenths: u64) -> Duration {
        Duration::from_millis(100 * tenths)
    }

    /// A checkout at the second order replica, by a client that waits for eight seconds.
    fn checkout(begun: u64, ended: u64, told: Reply) -> Operation {
        Operation {
            client: 0,
            replica: 1,
            begun: at(begun),
            ended: at(ended),
            patience: at(80),
            call: Call::Checkout("o".into()),
            named: None,
            told,
        }
    }

    fn lapse(begun: u64, ended: u64, fault: Fault) -> Lapse {
        Lapse {
            begun: at(begun),
            ended: at(ended),
            fault,
            connections: 1,
        }
    }

    #[test]
    fn a_late_answer_and_a_missing_one_are_violations() {
        assert!(late_calls(&[checkout(0, 60, HEARD)], &[]).is_empty());
        assert_eq!(late_calls(&[checkout(0, 70, HEARD)], &[]).len(), 1);
        assert_eq!(late_calls(&[checkout(0, 80, Reply::Nothing)], &[]).len(), 1);
        assert_eq!(late_calls(&[checkout(0, 1, Reply::Nothing)], &[]).len(), 1, "it broke");
        let hung_up = Operation {
            patience: at(2),
            ..checkout(0, 2, Reply::Nothing)
        };
        assert!(late_calls(&[hung_up], &[]).is_empty());
    }

    #[test]
    fn only_the_replica_that_was_asked_and_the_wire_to_it_are_excuses() {
        let public = Fault::Wire(Link::Public(ServiceName::Order, 1), Trouble::Stall);
        for excuse in [
            Fault::Kill(ServiceName::Order, 1),
            Fault::Pause(ServiceName::Order, 1),
            public,
        ] {
            let lapses = [lapse(0, 10, excuse)];
            assert!(
                late_calls(&[checkout(5, 85, Reply::Nothing)], &lapses).is_empty(),
                "{excuse:?}"
            );
            assert_eq!(
                late_calls(&[checkout(11, 91, Reply::Nothing)], &lapses).len(),
                1,
                "{excuse:?}"
            );
        }
        let behind = Fault::Wire(Link::Redis(ServiceName::Order, 1), Trouble::Stall);
        let internal = Fault::Silence(Link::Internal(ServiceName::Stock, 1));
        for no_excuse in [
            Fault::Kill(ServiceName::Order, 0),
            Fault::PauseRedis(ServiceName::Order),
            behind,
            internal,
        ] {
            let lapses = [lapse(0, 100, no_excuse)];
            assert_eq!(late_calls(&[checkout(5, 85, HEARD)], &lapses).len(), 1, "{no_excuse:?}");
        }
    }

    #[test]
    fn a_silent_connection_excuses_one_call_without_an_answer_and_no_late_one() {
        let lapses = [lapse(10, 10, SILENCED)];
        let unheard = |begun| checkout(begun, begun + 80, Reply::Nothing);
        assert!(late_calls(&[unheard(300)], &lapses).is_empty());
        assert_eq!(late_calls(&[unheard(300), unheard(400)], &lapses).len(), 1);
        assert_eq!(late_calls(&[checkout(300, 375, HEARD)], &lapses).len(), 1);
        let before = [lapse(500, 500, SILENCED)];
        assert_eq!(late_calls(&[unheard(300)], &before).len(), 1);
    }

    #[test]
    fn a_sagas_time_stands_still_while_something_is_broken() {
        let seen = |first, last| {
            BTreeMap::from([(
                "o.1".to_owned(),
                Unfinished {
                    first: at(first),
                    last: at(last),
                },
            )])
        };
        let bound = 10 * (SAGA_DEADLINE + RECOVERED_WITHIN).as_secs();
        let broken = [
            lapse(100, 150, Fault::KillRedis(ServiceName::Stock)),
            lapse(120, 200, Fault::Kill(ServiceName::Stock, 0)),
        ];
        assert!(overdue_sagas(&seen(0, bound), &[]).is_empty());
        assert_eq!(overdue_sagas(&seen(0, bound + 1), &[]).len(), 1);
        assert!(overdue_sagas(&seen(0, bound + 100), &broken).is_empty());
        assert_eq!(
            overdue_sagas(&seen(0, bound + 101), &broken).len(),
            1,
            "ten seconds are no fifteen"
        );
        assert_eq!(
            overdue_sagas(&seen(150, bound + 201), &broken).len(),
            1,
            "and before it began they do not count"
        );
    }
}
