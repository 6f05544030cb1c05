use std::ops::RangeInclusive;

use domain::{SagaId, Timestamp};
use engine::{
    Command, Touches, View,
    keys::{Key, Partition},
};

use crate::{Balanced, Direction, Fingerprint, Hold, HoldKey, Movement, Span, Terms};

/// Gives back what a saga holds in one partition, and refuses it for good.
///
/// A saga that holds nothing gets a tombstone all the same, so that its late request is refused. What its name holds for
/// something else stays, and refuses it as well.
#[derive(Debug)]
pub struct GiveBack<B: Balanced> {
    /// Where all the records live.
    pub partition: Partition,
    /// For how long requests count and records stay.
    pub terms: Terms,
    /// When the asking driver took the saga.
    pub driven_since: Timestamp,
    /// The saga.
    pub saga_id: SagaId,
    /// What the saga is about.
    pub fingerprint: Fingerprint,
    /// The records with the balances, and what is known of the saga's claims on them.
    pub holds: Vec<(Key<B>, HoldKey<B>)>,
}

impl<B: Balanced> Command for GiveBack<B> {
    type Outcome = ();

    fn partition(&self) -> Partition {
        self.partition
    }

    fn touches(&self, touches: &mut Touches) {
        for (record, hold) in &self.holds {
            touches.subject(record);
            touches.record(hold);
        }
    }

    fn validity(&self) -> RangeInclusive<Timestamp> {
        self.terms.drive_validity(self.driven_since)
    }

    fn decide(&self, view: &mut View) {
        for (record, hold) in &self.holds {
            let before = match view.get(hold) {
                None => None,
                Some(Hold::Held {
                    amount,
                    since,
                    fingerprint,
                }) if *fingerprint == self.fingerprint => {
                    let (amount, since) = (*amount, *since);
                    let until = self.give_back(view, record, amount);
                    until.map(|until| Span { amount, since, until })
                }
                // These refuse the saga as they are.
                Some(Hold::Held { .. } | Hold::Refused(_) | Hold::Undone { .. }) => continue,
            };
            view.put_expiring(hold, Hold::Undone { before }, self.terms.finished_retention.duration());
        }
    }
}

impl<B: Balanced> GiveBack<B> {
    /// Returns the balance's serial afterwards. If the record is no longer there, there is nothing to give back to.
    fn give_back(&self, view: &mut View, key: &Key<B>, amount: B::Amount) -> Option<u64> {
        let record = view.get(key)?;
        let balance = record.balance().give_back(amount);
        let movement = Movement {
            saga_id: &self.saga_id,
            amount,
            direction: Direction::GivenBack,
        };
        record.with(balance).put_moved(view, key, &movement);
        Some(balance.serial())
    }
}
