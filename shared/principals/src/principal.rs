//! Who calls.

use std::{collections::BTreeSet, fmt};

use domain::{KeyId, ServiceName, SessionId, UserId};

use crate::{Role, Scope, Scopes};

/// A user who has logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Who it is: the account in payment has the same id.
    pub user_id: UserId,
    /// The session that the login began.
    pub session_id: SessionId,
    /// What the user is, as of when the token was signed.
    pub roles: BTreeSet<Role>,
}

/// Who calls: a user, an API key, or a service. Whoever holds one need not check it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// A user who has logged in.
    User(User),
    /// A machine with an API key.
    ApiKey {
        /// The key.
        key_id: KeyId,
        /// What it may do.
        scopes: Scopes,
    },
    /// Another service of Holdfast. It has no scopes: the internal surface asks for none.
    Service(ServiceName),
}

impl Principal {
    /// Whether it may do this.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        match self {
            Self::User(user) => Role::scopes_of(&user.roles).allow(scope),
            Self::ApiKey { scopes, .. } => scopes.allow(scope),
            Self::Service(_) => false,
        }
    }

    /// Whether it may see and change what belongs to this user, as far as its scopes go: the user's own things, or anybody's
    /// for those who work in the shop. To whoever may not, they do not exist: 404.
    #[must_use]
    pub fn may_act_for(&self, owner: &UserId) -> bool {
        match self {
            Self::User(user) => {
                user.user_id == *owner || user.roles.contains(&Role::Operator) || user.roles.contains(&Role::Admin)
            }
            Self::ApiKey { .. } | Self::Service(_) => true,
        }
    }

    /// The user who calls, if it is one.
    #[must_use]
    pub fn user(&self) -> Option<&User> {
        match self {
            Self::User(user) => Some(user),
            Self::ApiKey { .. } | Self::Service(_) => None,
        }
    }
}

/// The name in logs, idempotency records and movements: `user:<id>`, `key:<id>`, `service:<name>`. It holds no secret.
impl fmt::Display for Principal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(formatter, "user:{}", user.user_id),
            Self::ApiKey { key_id, .. } => write!(formatter, "key:{key_id}"),
            Self::Service(service) => write!(formatter, "service:{service}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(number: u32, role: Role) -> Principal {
        Principal::User(User {
            user_id: UserId::numbered(number),
            session_id: SessionId::numbered(1),
            roles: BTreeSet::from([role]),
        })
    }

    #[test]
    fn a_customer_acts_for_nobody_else() {
        let other = UserId::numbered(2);
        assert!(user(2, Role::Customer).may_act_for(&other));
        assert!(!user(1, Role::Customer).may_act_for(&other));
        assert!(user(1, Role::Operator).may_act_for(&other));
    }

    #[test]
    fn principals_of_different_kinds_never_have_the_same_name() {
        let key = Principal::ApiKey {
            key_id: KeyId::numbered(1),
            scopes: Scopes::all(),
        };
        assert_eq!(key.to_string(), "key:1");
        assert_eq!(user(1, Role::Customer).to_string(), "user:1");
        assert_eq!(Principal::Service(ServiceName::Order).to_string(), "service:order");
    }
}
