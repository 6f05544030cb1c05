use engine::{
    View,
    keys::{IndexKey, Key},
};

use crate::{
    decide::revoke::revoke,
    events::{RevocationReason, UserPasswordChanged},
    record::{Session, User},
};

/// Writes a user with another password, announces it, and ends those sessions that `ends` says. What a mail would have
/// reset is settled by it.
pub(super) fn set_password(
    view: &mut View,
    keys: (&Key<User>, &IndexKey),
    mut user: User,
    password: &str,
    ends: impl Fn(&Session) -> bool,
) {
    password.clone_into(&mut user.password);
    user.reset = None;
    let email = user.email.as_str().to_owned();
    view.emit(keys.0, &mut user.sequence, &UserPasswordChanged { email });
    revoke(view, keys, &mut user, RevocationReason::PasswordChanged, ends);
    view.put(keys.0, user);
}
