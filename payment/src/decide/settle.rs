use std::ops::RangeInclusive;

use domain::Timestamp;
use engine::{
    Command, Touches, View,
    keys::{Key, Partition},
};
use saga::{Settled, Terms};

use crate::record::Hold;

/// Forgets the charge of a saga that has been paid for long enough.
#[derive(Debug)]
pub(crate) struct SettleHold {
    /// The saga's charge.
    pub(crate) hold: Key<Hold>,
    /// How long words count and records stay.
    pub(crate) terms: Terms,
    /// When it was paid.
    pub(crate) paid_since: Timestamp,
}

impl Command for SettleHold {
    type Outcome = Settled;

    /// What is gone stays gone.
    const REPEATABLE: bool = true;

    fn partition(&self) -> Partition {
        self.hold.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.record(&self.hold);
    }

    fn validity(&self) -> RangeInclusive<Timestamp> {
        self.terms.settle(self.paid_since)
    }

    fn decide(&self, view: &mut View) -> Settled {
        view.remove(&self.hold);
        Settled
    }
}
