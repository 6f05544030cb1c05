use std::time::Duration;

use domain::UserId;
use engine::{
    Command, Touches, View,
    keys::{Key, Partition},
};

use crate::{
    events::UserPasswordResetRequested,
    record::{MailToken, User},
    tokens::{Purpose, Secret},
};

/// How long the mail to reset a password may be used.
const RESET_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// Lets a mail be sent by which a user may reset the password. An earlier mail is good for nothing then.
#[derive(Debug)]
pub(crate) struct RequestReset {
    pub(crate) user: Key<User>,
    pub(crate) user_id: UserId,
    pub(crate) secret: Secret,
}

impl Command for RequestReset {
    type Outcome = ();

    fn partition(&self) -> Partition {
        self.user.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.subject(&self.user);
    }

    fn decide(&self, view: &mut View) {
        let Some(mut user) = view.get(&self.user).cloned() else {
            return;
        };
        user.reset = Some(MailToken {
            hash: self.secret.hash(),
            expires_at: view.now().after(RESET_LIFETIME),
        });
        let event = UserPasswordResetRequested {
            email: user.email.as_str().to_owned(),
            token: Purpose::Reset.reveal(&self.user_id, &self.secret),
        };
        view.emit(&self.user, &mut user.sequence, &event);
        view.put(&self.user, user);
    }
}
