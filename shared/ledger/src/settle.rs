use std::ops::RangeInclusive;

use domain::{Amount, Timestamp};
use engine::{
    Command, Touches, View,
    keys::{Key, Partition},
};

use crate::{Hold, Terms};

/// Forgets what a saga holds in one partition that has been paid for long enough.
#[derive(Debug)]
pub struct Settle<A> {
    /// Where all the holds live.
    pub partition: Partition,
    /// For how long requests count and records stay.
    pub terms: Terms,
    /// When it was paid.
    pub paid_since: Timestamp,
    /// The saga's holds.
    pub holds: Vec<Key<Hold<A>>>,
}

impl<A: Amount> Command for Settle<A> {
    type Outcome = ();

    /// What is gone stays gone.
    const REPEATABLE: bool = true;

    fn partition(&self) -> Partition {
        self.partition
    }

    fn touches(&self, touches: &mut Touches) {
        self.holds.iter().for_each(|hold| touches.record(hold));
    }

    fn validity(&self) -> RangeInclusive<Timestamp> {
        self.terms.settling_validity(self.paid_since)
    }

    fn decide(&self, view: &mut View) {
        self.holds.iter().for_each(|hold| view.remove(hold));
    }
}
