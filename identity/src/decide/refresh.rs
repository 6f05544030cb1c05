use engine::{
    Command, Touches, View,
    keys::{IndexKey, Key, Partition},
};

use crate::{
    decide::revoke::revoke,
    events::RevocationReason,
    problems::Refusal,
    record::{ROTATION_GRACE, Rotated, Session, User},
    tokens::{Nonce, RefreshToken, Secret},
};

/// Rotates a refresh token. An old one ends its session, because two have it; an invented one does nothing.
///
/// The last one before the newest is answered with the same successor for [`ROTATION_GRACE`]: a client whose answer was lost
/// presents it again.
#[derive(Debug)]
pub(crate) struct Refresh {
    pub(crate) user: Key<User>,
    pub(crate) revoked: IndexKey,
    pub(crate) token: RefreshToken,
    pub(crate) nonce: Nonce,
}

/// What a refresh gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refreshed {
    /// The secret of the next refresh token.
    pub(crate) secret: Secret,
    /// Whose session it is.
    pub(crate) user: User,
}

/// What a presented secret is to its session.
enum Presented {
    Newest,
    LastOne(Nonce),
    Old,
}

impl Refresh {
    fn presented(&self, session: &Session, now: domain::Timestamp) -> Presented {
        let secret = self.token.secret.as_bytes();
        if session.current.matches(secret) {
            return Presented::Newest;
        }
        match &session.previous {
            Some(last) if last.hash.matches(secret) && now.since(last.rotated_at) <= ROTATION_GRACE => {
                Presented::LastOne(last.nonce)
            }
            _ => Presented::Old,
        }
    }
}

impl Command for Refresh {
    type Outcome = Result<Refreshed, Refusal>;

    fn partition(&self) -> Partition {
        self.user.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.subject(&self.user);
        touches.index(&self.revoked);
    }

    fn decide(&self, view: &mut View) -> Result<Refreshed, Refusal> {
        let (mut user, now) = (
            view.get(&self.user).cloned().ok_or(Refusal::BadRefreshToken)?,
            view.now(),
        );
        let is_it = |session: &&mut Session| {
            session.session_id == self.token.session_id
                && session.family.matches(self.token.family.as_bytes())
                && session.lasts(now)
        };
        let session = user.sessions.iter_mut().find(is_it).ok_or(Refusal::BadRefreshToken)?;
        match self.presented(session, now) {
            Presented::Newest => {
                let secret = self.token.secret.successor(&self.nonce);
                session.previous = Some(Rotated {
                    hash: session.current.clone(),
                    nonce: self.nonce,
                    rotated_at: now,
                });
                session.current = secret.hash();
                view.put(&self.user, user.clone());
                Ok(Refreshed { secret, user })
            }
            Presented::LastOne(nonce) => {
                let secret = self.token.secret.successor(&nonce);
                Ok(Refreshed { secret, user })
            }
            Presented::Old => {
                let keys = (&self.user, &self.revoked);
                revoke(view, keys, &mut user, RevocationReason::TokenReused, |session| {
                    session.session_id == self.token.session_id
                });
                view.put(&self.user, user);
                Err(Refusal::BadRefreshToken)
            }
        }
    }
}
