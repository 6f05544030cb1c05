//! Changing a password, and resetting one that is forgotten.

use principals::User as Caller;

use super::{Identity, Outcome};
use crate::{
    decide::{ChangePassword, RequestReset, ResetPassword},
    email::Email,
    keys::Keys,
    passwords::{Compared, Password},
    problems::Refusal,
    tokens::{Purpose, Secret},
};

impl Identity {
    /// Gives a user who knows the old password another one. The session that asks stays, all others end.
    pub(crate) async fn change_password(&self, caller: &Caller, old: Password, new: Password) -> Outcome<()> {
        let new = match new.check_new() {
            Ok(new) => new,
            Err(bad) => return Ok(Err(bad.into())),
        };
        let key = self.partitions.user(&caller.user_id);
        let user = self.store.read(&key).await?;
        let compared = user.as_ref().map(|user| user.password.clone());
        let (Compared::Same { .. }, Some(user)) = (self.passwords.compare(old, compared).await?, user) else {
            return Ok(Err(Refusal::WrongCredentials));
        };
        let change = ChangePassword {
            revoked: self.partitions.revoked(key.partition()),
            user: key,
            compared: user.password,
            password: self.passwords.hash(new).await?,
            stays: caller.session_id.clone(),
        };
        self.engine.submit(change).await
    }

    /// Lets a mail be sent to an address, if it has a user. Nobody is told whether it has.
    ///
    /// A user who is found costs one transaction more than one who is not. It is made by a task of its own, so the answer does
    /// not wait for it.
    pub(crate) async fn request_reset(&self, email: &Email) -> Outcome<()> {
        if let Some((user_id, _)) = self.user_of(email).await? {
            let request = RequestReset {
                user: self.partitions.user(&user_id),
                user_id,
                secret: Secret::generate(),
            };
            let engine = self.engine.clone();
            tokio::spawn(domain::Cause::carried(async move {
                if let Err(error) = engine.submit(request).await {
                    tracing::warn!(%error, "a mail to reset a password is not sent");
                }
            }));
        }
        Ok(Ok(()))
    }

    /// Gives a user another password by what a mail held.
    pub(crate) async fn reset_password(&self, token: &str, new: Password) -> Outcome<()> {
        let new = match new.check_new() {
            Ok(new) => new,
            Err(bad) => return Ok(Err(bad.into())),
        };
        let Some((user_id, secret)) = Purpose::Reset.parse(token) else {
            return Ok(Err(Refusal::BadToken));
        };
        let user = self.partitions.user(&user_id);
        let reset = ResetPassword {
            revoked: self.partitions.revoked(user.partition()),
            user,
            secret,
            password: self.passwords.hash(new).await?,
        };
        self.engine.submit(reset).await
    }
}
