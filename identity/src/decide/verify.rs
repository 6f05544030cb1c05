use engine::{
    Command, Touches, View,
    keys::{Key, Partition},
};

use crate::{events::UserVerified, problems::Refusal, record::User, tokens::Secret};

/// Verifies a user's address by what the mail held, once.
#[derive(Debug)]
pub(crate) struct Verify {
    pub(crate) user: Key<User>,
    pub(crate) secret: Secret,
}

impl Command for Verify {
    type Outcome = Result<(), Refusal>;

    fn partition(&self) -> Partition {
        self.user.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.subject(&self.user);
    }

    fn decide(&self, view: &mut View) -> Result<(), Refusal> {
        let mut user = view.get(&self.user).cloned().ok_or(Refusal::BadToken)?;
        let admits = |token: &crate::record::MailToken| token.admits(&self.secret, view.now());
        if !user.verification.as_ref().is_some_and(admits) {
            return Err(Refusal::BadToken);
        }
        user.verification = None;
        user.is_verified = true;
        let email = user.email.as_str().to_owned();
        view.emit(&self.user, &mut user.sequence, &UserVerified { email });
        view.put(&self.user, user);
        Ok(())
    }
}
