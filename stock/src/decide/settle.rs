use std::ops::RangeInclusive;

use domain::Timestamp;
use engine::{
    Command, Touches, View,
    keys::{Key, Partition},
};
use saga::{Settled, Terms};

use crate::record::Hold;

/// Forgets what a saga holds in one partition that has been paid for long enough.
#[derive(Debug)]
pub(crate) struct SettleHolds {
    /// Where all the holds live.
    pub(crate) partition: Partition,
    /// How long words count and records stay.
    pub(crate) terms: Terms,
    /// When it was paid.
    pub(crate) paid_since: Timestamp,
    /// The saga's holds.
    pub(crate) holds: Vec<Key<Hold>>,
}

impl Command for SettleHolds {
    type Outcome = Settled;

    /// What is gone stays gone.
    const REPEATABLE: bool = true;

    fn partition(&self) -> Partition {
        self.partition
    }

    fn touches(&self, touches: &mut Touches) {
        self.holds.iter().for_each(|hold| touches.record(hold));
    }

    fn validity(&self) -> RangeInclusive<Timestamp> {
        self.terms.settle(self.paid_since)
    }

    fn decide(&self, view: &mut View) -> Settled {
        self.holds.iter().for_each(|hold| view.remove(hold));
        Settled
    }
}
