//! Users: how they register, and what admins see and change of them.

use std::collections::BTreeSet;

use domain::UserId;
use engine::EngineError;
use principals::{Principal, Role};

use super::{Identity, Outcome};
use crate::{
    decide::{Register, SetRoles, Verify},
    email::Email,
    keys::Keys,
    listing::{Cursor, Page, list},
    passwords::Password,
    problems::Refusal,
    record::User,
    tokens::{Purpose, Secret},
};

/// Who is to become a user.
pub struct NewUser {
    /// By which address.
    pub email: Email,
    /// With which password.
    pub password: Password,
    /// As what.
    pub roles: BTreeSet<Role>,
    /// Whether an operator vouches for the address, so that no mail has to.
    pub is_verified: bool,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registration {
    /// There is a new user.
    Registered(UserId),
    /// The address has a user already, who is told by a mail.
    Known,
}

impl Identity {
    /// Registers a user, whose account is opened soon. Whoever asks over the network must not be told the outcome: it would tell
    /// whose addresses are known.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn register(&self, new: NewUser) -> Outcome<Registration> {
        self.store.admit()?;
        let password = match new.password.check_new() {
            Ok(password) => password,
            Err(bad) => return Ok(Err(bad.into())),
        };
        let password = self.passwords.hash(password).await?;
        let address = self.partitions.address(&new.email);
        let partition = address.partition();
        let user_id = self.partitions.generate_in(partition, UserId::generate);
        let register = Register {
            address,
            user: self.partitions.user(&user_id),
            users: self.partitions.users(partition),
            unopened: self.partitions.unopened(partition),
            user_id: user_id.clone(),
            email: new.email,
            password,
            roles: new.roles,
            verification: (!new.is_verified).then(Secret::generate),
        };
        if !self.engine.submit(register).await? {
            return Ok(Ok(Registration::Known));
        }
        self.registered.notify_one();
        Ok(Ok(Registration::Registered(user_id)))
    }

    /// Verifies an address by what its mail held.
    pub(crate) async fn verify(&self, token: &str) -> Outcome<()> {
        let Some((user_id, secret)) = Purpose::Verify.parse(token) else {
            return Ok(Err(Refusal::BadToken));
        };
        let user = self.partitions.user(&user_id);
        self.engine.submit(Verify { user, secret }).await
    }

    /// A user.
    pub(crate) async fn user(&self, user_id: &UserId) -> Outcome<User> {
        let user = self.store.read(&self.partitions.user(user_id)).await?;
        Ok(user.ok_or_else(|| Refusal::UnknownUser(user_id.clone())))
    }

    /// A part of the list of users.
    pub(crate) async fn users(&self, after: Option<&Cursor>, limit: usize) -> Result<Page<User>, EngineError> {
        let indexes = self.partitions.all().map(|partition| self.partitions.users(partition));
        let key = |id: &str| Some(self.partitions.user(&id.parse().ok()?));
        Ok(list(&self.store, indexes, key, after, limit).await?)
    }

    /// Gives a user other roles, which ends the user's sessions.
    pub(crate) async fn set_roles(&self, user_id: &UserId, roles: BTreeSet<Role>, by: &Principal) -> Outcome<User> {
        let user = self.partitions.user(user_id);
        let set_roles = SetRoles {
            revoked: self.partitions.revoked(user.partition()),
            user,
            user_id: user_id.clone(),
            roles,
            by: by.to_string(),
        };
        self.engine.submit(set_roles).await
    }

    /// Whose an address is.
    pub(crate) async fn user_of(&self, email: &Email) -> Result<Option<(UserId, User)>, EngineError> {
        let Some(address) = self.store.read(&self.partitions.address(email)).await? else {
            // Read in vain, so that it takes as long as for an address that has a user.
            self.store.read(&self.partitions.user(&UserId::numbered(0))).await?;
            return Ok(None);
        };
        let user = self.store.read(&self.partitions.user(&address.user_id)).await?;
        Ok(user.map(|user| (address.user_id, user)))
    }
}
