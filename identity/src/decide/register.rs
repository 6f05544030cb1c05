use std::{collections::BTreeSet, time::Duration};

use domain::UserId;
use engine::{
    Command, Touches, View,
    keys::{IndexKey, Key, Partition},
};

use principals::Role;

use crate::{
    email::Email,
    events::{AddressRegisteredAgain, UserRegistered, UserVerified},
    record::{Address, MailToken, User},
    tokens::{Purpose, Secret},
};

/// How long the mail to verify an address may be used.
const VERIFICATION_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// Registers somebody under an address that must have no user yet. If it has one, its owner is told by a mail, and
/// nobody else: the outcome, for an admin alone, says whether a user was made.
#[derive(Debug)]
pub(crate) struct Register {
    pub(crate) address: Key<Address>,
    pub(crate) user: Key<User>,
    pub(crate) users: IndexKey,
    pub(crate) unopened: IndexKey,
    pub(crate) user_id: UserId,
    pub(crate) email: Email,
    /// The password's hash.
    pub(crate) password: String,
    pub(crate) roles: BTreeSet<Role>,
    /// What the mail to verify the address holds; none if an operator vouches for it.
    pub(crate) verification: Option<Secret>,
}

impl Command for Register {
    type Outcome = bool;

    fn partition(&self) -> Partition {
        self.user.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.subject(&self.address);
        touches.subject(&self.user);
        touches.index(&self.users);
        touches.index(&self.unopened);
    }

    fn decide(&self, view: &mut View) -> bool {
        let email = self.email.as_str().to_owned();
        if let Some(mut address) = view.get(&self.address).cloned() {
            view.emit(&self.address, &mut address.sequence, &AddressRegisteredAgain { email });
            view.put(&self.address, address);
            return false;
        }
        let now = view.now();
        let mut user = User {
            email: self.email.clone(),
            password: self.password.clone(),
            roles: self.roles.clone(),
            is_verified: self.verification.is_none(),
            created_at: now,
            verification: self.verification.as_ref().map(|secret| MailToken {
                hash: secret.hash(),
                expires_at: now.after(VERIFICATION_LIFETIME),
            }),
            reset: None,
            sessions: Vec::new(),
            sequence: engine::Sequence::default(),
        };
        match &self.verification {
            Some(secret) => {
                let token = Purpose::Verify.reveal(&self.user_id, secret);
                view.emit(&self.user, &mut user.sequence, &UserRegistered { email, token });
            }
            None => view.emit(&self.user, &mut user.sequence, &UserVerified { email }),
        }
        view.put(&self.user, user);
        let address = Address {
            user_id: self.user_id.clone(),
            sequence: engine::Sequence::default(),
        };
        view.put(&self.address, address);
        view.index_add(&self.users, self.user_id.as_str(), now.score());
        view.index_add(&self.unopened, self.user_id.as_str(), now.score());
        true
    }
}
