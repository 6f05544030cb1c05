use domain::SessionId;
use engine::{
    Command, Touches, View,
    keys::{IndexKey, Key, Partition},
};

use crate::{decide::set_password::set_password, problems::Refusal, record::User};

/// Gives a user another password, and ends all sessions but the one that asks.
#[derive(Debug)]
pub(crate) struct ChangePassword {
    pub(crate) user: Key<User>,
    pub(crate) revoked: IndexKey,
    /// The hash that the old password was compared with.
    pub(crate) compared: String,
    /// The new password's hash.
    pub(crate) password: String,
    pub(crate) stays: SessionId,
}

impl Command for ChangePassword {
    type Outcome = Result<(), Refusal>;

    fn partition(&self) -> Partition {
        self.user.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.subject(&self.user);
        touches.index(&self.revoked);
    }

    fn decide(&self, view: &mut View) -> Result<(), Refusal> {
        let user = view.get(&self.user).cloned().ok_or(Refusal::WrongCredentials)?;
        if user.password != self.compared {
            return Err(Refusal::WrongCredentials);
        }
        let keys = (&self.user, &self.revoked);
        set_password(view, keys, user, &self.password, |session| {
            session.session_id != self.stays
        });
        Ok(())
    }
}
