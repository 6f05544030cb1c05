use domain::SessionId;
use engine::{
    Command, Touches, View,
    keys::{IndexKey, Key, Partition},
};

use crate::{
    decide::revoke::revoke,
    events::RevocationReason,
    problems::Refusal,
    record::{MAX_SESSIONS, Session, User},
    tokens::Secret,
};

/// Begins a session of a user whose password was compared. The outcome is the user.
#[derive(Debug)]
pub(crate) struct LogIn {
    pub(crate) user: Key<User>,
    pub(crate) revoked: IndexKey,
    /// The hash that the password was compared with: if it is another one by now, the password has changed since.
    pub(crate) compared: String,
    /// The password's hash by today's parameters, if the stored one is by others.
    pub(crate) rehashed: Option<String>,
    pub(crate) session_id: SessionId,
    pub(crate) family: Secret,
    pub(crate) secret: Secret,
}

impl Command for LogIn {
    type Outcome = Result<User, Refusal>;

    fn partition(&self) -> Partition {
        self.user.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.subject(&self.user);
        touches.index(&self.revoked);
    }

    fn decide(&self, view: &mut View) -> Result<User, Refusal> {
        let mut user = view.get(&self.user).cloned().ok_or(Refusal::WrongCredentials)?;
        if user.password != self.compared {
            return Err(Refusal::WrongCredentials);
        }
        if !user.is_verified {
            return Err(Refusal::NotVerified);
        }
        if let Some(rehashed) = &self.rehashed {
            user.password.clone_from(rehashed);
        }
        let now = view.now();
        user.sessions.retain(|session| session.lasts(now));
        if user.sessions.len() >= MAX_SESSIONS {
            let oldest = user.sessions[0].session_id.clone();
            let keys = (&self.user, &self.revoked);
            revoke(view, keys, &mut user, RevocationReason::TooMany, |session| {
                session.session_id == oldest
            });
        }
        user.sessions.push(Session {
            session_id: self.session_id.clone(),
            begun_at: now,
            family: self.family.hash(),
            current: self.secret.hash(),
            previous: None,
        });
        view.put(&self.user, user.clone());
        Ok(user)
    }
}
