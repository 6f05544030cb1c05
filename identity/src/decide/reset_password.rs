use engine::{
    Command, Touches, View,
    keys::{IndexKey, Key, Partition},
};

use crate::{
    decide::set_password::set_password,
    problems::Refusal,
    record::{MailToken, User},
    tokens::Secret,
};

/// Gives a user another password by what a mail held, once, and ends all sessions. Whoever has read the mail has shown that
/// mails to the address arrive.
#[derive(Debug)]
pub(crate) struct ResetPassword {
    pub(crate) user: Key<User>,
    pub(crate) revoked: IndexKey,
    pub(crate) secret: Secret,
    /// The new password's hash.
    pub(crate) password: String,
}

impl Command for ResetPassword {
    type Outcome = Result<(), Refusal>;

    fn partition(&self) -> Partition {
        self.user.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.subject(&self.user);
        touches.index(&self.revoked);
    }

    fn decide(&self, view: &mut View) -> Result<(), Refusal> {
        let mut user = view.get(&self.user).cloned().ok_or(Refusal::BadToken)?;
        let admits = |token: &MailToken| token.admits(&self.secret, view.now());
        if !user.reset.as_ref().is_some_and(admits) {
            return Err(Refusal::BadToken);
        }
        user.verification = None;
        user.is_verified = true;
        let keys = (&self.user, &self.revoked);
        set_password(view, keys, user, &self.password, |_| true);
        Ok(())
    }
}
