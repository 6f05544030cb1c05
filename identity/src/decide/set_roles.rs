use std::collections::BTreeSet;

use domain::UserId;
use engine::{
    Command, Touches, View,
    keys::{IndexKey, Key, Partition},
};

use principals::Role;

use crate::{
    decide::revoke::revoke,
    events::{RevocationReason, UserRolesChanged},
    problems::Refusal,
    record::User,
};

/// Gives a user other roles, and ends all sessions: an access token says the roles that its user had when it was signed. The
/// outcome is the user.
#[derive(Debug)]
pub(crate) struct SetRoles {
    pub(crate) user: Key<User>,
    pub(crate) revoked: IndexKey,
    pub(crate) user_id: UserId,
    pub(crate) roles: BTreeSet<Role>,
    pub(crate) by: String,
}

impl Command for SetRoles {
    type Outcome = Result<User, Refusal>;

    fn partition(&self) -> Partition {
        self.user.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.subject(&self.user);
        touches.index(&self.revoked);
    }

    fn decide(&self, view: &mut View) -> Result<User, Refusal> {
        let unknown = || Refusal::UnknownUser(self.user_id.clone());
        let mut user = view.get(&self.user).cloned().ok_or_else(unknown)?;
        if user.roles == self.roles {
            return Ok(user);
        }
        user.roles.clone_from(&self.roles);
        let event = UserRolesChanged {
            roles: self.roles.clone(),
            by: self.by.clone(),
        };
        view.emit(&self.user, &mut user.sequence, &event);
        let keys = (&self.user, &self.revoked);
        revoke(view, keys, &mut user, RevocationReason::RolesChanged, |_| true);
        view.put(&self.user, user.clone());
        Ok(user)
    }
}
