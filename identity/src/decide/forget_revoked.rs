use engine::{
    Command, Touches, View,
    keys::{IndexKey, Partition},
};

/// Forgets sessions that were ended so long ago that none of their access tokens is valid.
#[derive(Debug)]
pub(crate) struct ForgetRevoked {
    pub(crate) partition: Partition,
    pub(crate) revoked: IndexKey,
    pub(crate) sessions: Vec<String>,
}

impl Command for ForgetRevoked {
    type Outcome = ();

    fn partition(&self) -> Partition {
        self.partition
    }

    fn touches(&self, touches: &mut Touches) {
        touches.index(&self.revoked);
    }

    fn decide(&self, view: &mut View) {
        for session in &self.sessions {
            view.index_remove(&self.revoked, session);
        }
    }
}
