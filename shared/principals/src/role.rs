//! What users are, and what follows from it.

use std::{borrow::Cow, collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Scope, Scopes};

/// What a user is in the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "&'static str")]
pub enum Role {
    /// Buys, and sees what is the user's own.
    Customer,
    /// Works in the shop: sees and changes everybody's orders, items and accounts.
    Operator,
    /// Decides who may do what, besides.
    Admin,
}

/// The text is no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a role is one of customer, operator, admin")]
pub struct BadRole;

impl Role {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Customer, Self::Operator, Self::Admin];

    /// Its text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// What whoever has it may do.
    #[must_use]
    pub const fn scopes(self) -> &'static [Scope] {
        match self {
            Self::Customer => &[Scope::OrdersWrite, Scope::StockRead, Scope::PaymentRead],
            Self::Operator => &[
                Scope::OrdersWrite,
                Scope::OrdersRefund,
                Scope::StockWrite,
                Scope::PaymentWrite,
                Scope::UsersRead,
                Scope::EventsRead,
            ],
            Self::Admin => Scope::ALL,
        }
    }

    /// What whoever has these may do.
    #[must_use]
    pub fn scopes_of(roles: &BTreeSet<Self>) -> Scopes {
        roles.iter().flat_map(|role| role.scopes()).copied().collect()
    }
}

impl FromStr for Role {
    type Err = BadRole;

    fn from_str(text: &str) -> Result<Self, BadRole> {
        let found = Self::ALL.iter().find(|role| role.as_str() == text);
        found.copied().ok_or(BadRole)
    }
}

impl TryFrom<Cow<'_, str>> for Role {
    type Error = BadRole;

    fn try_from(text: Cow<'_, str>) -> Result<Self, BadRole> {
        text.parse()
    }
}

impl From<Role> for &'static str {
    fn from(role: Role) -> Self {
        role.as_str()
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_admin_decides_who_may_do_what() {
        for role in Role::ALL {
            let scopes = Role::scopes_of(&BTreeSet::from([*role]));
            let decides = scopes.allow(Scope::UsersWrite) || scopes.allow(Scope::KeysWrite);
            assert_eq!(decides, *role == Role::Admin, "{role}");
        }
    }

    #[test]
    fn a_customer_moves_no_money_and_no_stock() {
        let scopes = Role::scopes_of(&BTreeSet::from([Role::Customer]));
        assert!(scopes.allow(Scope::OrdersWrite));
        for scope in [Scope::PaymentWrite, Scope::StockWrite, Scope::OrdersRefund] {
            assert!(!scopes.allow(scope), "{scope}");
        }
    }
}
