use domain::UserId;
use engine::{
    Command, Touches, View,
    keys::{IndexKey, Partition},
};

/// Notes that a user's account is open.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) partition: Partition,
    pub(crate) unopened: IndexKey,
    pub(crate) user_id: UserId,
}

impl Command for Opened {
    type Outcome = ();

    fn partition(&self) -> Partition {
        self.partition
    }

    fn touches(&self, touches: &mut Touches) {
        touches.index(&self.unopened);
    }

    fn decide(&self, view: &mut View) {
        view.index_remove(&self.unopened, self.user_id.as_str());
    }
}
