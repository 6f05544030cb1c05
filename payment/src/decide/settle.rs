use shared::{
    engine::{Command, Touches, View},
    keys::{Key, Partition},
    protocol::Settled,
};

use crate::record::Hold;

/// Forgets the charge of a saga that has been paid for long enough.
#[derive(Debug)]
pub struct SettleHold {
    /// The saga's charge.
    pub hold: Key<Hold>,
}

impl Command for SettleHold {
    type Outcome = Settled;

    fn partition(&self) -> Partition {
        self.hold.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.record(&self.hold);
    }

    fn decide(&self, view: &mut View) -> Settled {
        view.remove(&self.hold);
        Settled
    }
}
