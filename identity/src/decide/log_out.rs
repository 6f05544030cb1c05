use engine::{
    Command, Touches, View,
    keys::{IndexKey, Key, Partition},
};

use crate::{decide::revoke::revoke, events::RevocationReason, record::User, tokens::RefreshToken};

/// Ends sessions of a user. Repeating it changes nothing.
#[derive(Debug)]
pub(crate) struct LogOut {
    pub(crate) user: Key<User>,
    pub(crate) revoked: IndexKey,
    pub(crate) which: Which,
}

/// Which sessions are ended.
#[derive(Debug, Clone)]
pub(crate) enum Which {
    /// The one that this token belongs to, however old the token is.
    Of(RefreshToken),
    /// All of them.
    All,
}

impl Command for LogOut {
    type Outcome = ();

    fn partition(&self) -> Partition {
        self.user.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.subject(&self.user);
        touches.index(&self.revoked);
    }

    fn decide(&self, view: &mut View) {
        let Some(mut user) = view.get(&self.user).cloned() else {
            return;
        };
        let keys = (&self.user, &self.revoked);
        revoke(
            view,
            keys,
            &mut user,
            RevocationReason::LoggedOut,
            |session| match &self.which {
                Which::Of(token) => {
                    session.session_id == token.session_id && session.family.matches(token.family.as_bytes())
                }
                Which::All => true,
            },
        );
        view.put(&self.user, user);
    }
}
