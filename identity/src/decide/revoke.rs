use engine::{
    View,
    keys::{IndexKey, Key},
};

use crate::{
    events::{RevocationReason, SessionRevoked},
    record::{Session, User},
};

/// Ends those of a user's sessions that `ends` says, and lists them for the other services: their access tokens are refused from
/// then on. The user's record is to be put after this.
pub(super) fn revoke(
    view: &mut View,
    (key, index): (&Key<User>, &IndexKey),
    user: &mut User,
    reason: RevocationReason,
    ends: impl Fn(&Session) -> bool,
) {
    let (ended, left): (Vec<Session>, Vec<Session>) = user.sessions.drain(..).partition(ends);
    user.sessions = left;
    let now = view.now().score();
    for Session { session_id, .. } in ended {
        view.index_add(index, session_id.as_str(), now);
        view.emit(key, &mut user.sequence, &SessionRevoked { session_id, reason });
    }
}
