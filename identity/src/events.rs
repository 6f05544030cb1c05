//! What identity announces. ARCHITECTURE.md lists all events.
//!
//! Some events hold a token for a mail: a secret, because whoever has it may use it once. They hold it because notification,
//! which mails it, reads nothing but the bus. So identity's events are in no feed and at no broker,
//! a token is good for a short time and for one use, and the store keeps only its hash.

use std::collections::BTreeSet;

use domain::SessionId;
use engine::{Event, EventKind};
use principals::{Role, Scopes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Somebody has registered, and the address is to be verified.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserRegistered {
    /// The address.
    pub email: String,
    /// What the mail holds. A secret.
    pub token: String,
}

/// Somebody has registered with an address that has a user already: its owner is to be told.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AddressRegisteredAgain {
    /// The address.
    pub email: String,
}

/// A user has shown that mails to the address arrive.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserVerified {
    /// The address.
    pub email: String,
}

/// A user has forgotten the password.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserPasswordResetRequested {
    /// The address.
    pub email: String,
    /// What the mail holds. A secret.
    pub token: String,
}

/// A user has another password, and the owner of the address is to be told.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserPasswordChanged {
    /// The address.
    pub email: String,
}

/// A user has other roles.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserRolesChanged {
    /// What the user is now: customer, operator, admin.
    #[schemars(with = "BTreeSet<String>")]
    pub roles: BTreeSet<Role>,
    /// Who has changed them.
    pub by: String,
}

/// A session was ended.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionRevoked {
    /// The session.
    pub session_id: SessionId,
    /// Why.
    pub reason: RevocationReason,
}

/// Why a session was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RevocationReason {
    /// The user has logged out.
    LoggedOut,
    /// An old refresh token was used: somebody else may have a copy.
    TokenReused,
    /// The user has another password.
    PasswordChanged,
    /// The user has other roles.
    RolesChanged,
    /// The user has begun more sessions than one may have.
    TooMany,
}

/// An API key was created.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyCreated {
    /// What people call it.
    pub name: String,
    /// What it may do.
    #[schemars(with = "BTreeSet<String>")]
    pub scopes: Scopes,
    /// Who has created it.
    pub by: String,
}

/// An API key was revoked.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyRevoked {
    /// Who has revoked it.
    pub by: String,
}

const ADDRESS: &str = "ann@shop.example";

impl Event for UserRegistered {
    const TYPE: &'static str = "user.registered";

    fn example() -> Self {
        Self {
            email: ADDRESS.into(),
            token: "hf_vt_7.9c1f...".into(),
        }
    }
}

impl Event for AddressRegisteredAgain {
    const TYPE: &'static str = "address.registered_again";

    fn example() -> Self {
        Self { email: ADDRESS.into() }
    }
}

impl Event for UserVerified {
    const TYPE: &'static str = "user.verified";

    fn example() -> Self {
        Self { email: ADDRESS.into() }
    }
}

impl Event for UserPasswordResetRequested {
    const TYPE: &'static str = "user.password_reset_requested";

    fn example() -> Self {
        Self {
            email: ADDRESS.into(),
            token: "hf_pr_7.9c1f...".into(),
        }
    }
}

impl Event for UserPasswordChanged {
    const TYPE: &'static str = "user.password_changed";

    fn example() -> Self {
        Self { email: ADDRESS.into() }
    }
}

impl Event for UserRolesChanged {
    const TYPE: &'static str = "user.roles_changed";

    fn example() -> Self {
        Self {
            roles: BTreeSet::from([Role::Customer, Role::Operator]),
            by: "user:1".into(),
        }
    }
}

impl Event for SessionRevoked {
    const TYPE: &'static str = "session.revoked";

    fn example() -> Self {
        Self {
            session_id: SessionId::numbered(3),
            reason: RevocationReason::LoggedOut,
        }
    }
}

impl Event for KeyCreated {
    const TYPE: &'static str = "key.created";

    fn example() -> Self {
        Self {
            name: "the warehouse".into(),
            scopes: [principals::Scope::StockWrite].into_iter().collect(),
            by: "user:1".into(),
        }
    }
}

impl Event for KeyRevoked {
    const TYPE: &'static str = "key.revoked";

    fn example() -> Self {
        Self { by: "user:1".into() }
    }
}

/// All that identity announces.
#[must_use]
pub fn kinds() -> Vec<EventKind> {
    vec![
        EventKind::new::<UserRegistered>(),
        EventKind::new::<AddressRegisteredAgain>(),
        EventKind::new::<UserVerified>(),
        EventKind::new::<UserPasswordResetRequested>(),
        EventKind::new::<UserPasswordChanged>(),
        EventKind::new::<UserRolesChanged>(),
        EventKind::new::<SessionRevoked>(),
        EventKind::new::<KeyCreated>(),
        EventKind::new::<KeyRevoked>(),
    ]
}
