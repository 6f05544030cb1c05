//! What a principal may do.

use std::{borrow::Cow, collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

macro_rules! scopes {
    ($($(#[$docs:meta])* $name:ident => $text:literal $(, implies $implied:ident)?;)+) => {
        /// One thing that a principal may do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "Cow<'_, str>", into = "&'static str")]
        pub enum Scope {
            $($(#[$docs])* $name,)+
        }

        impl Scope {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Its text: what it is about, and whether to read or to write.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }

            /// What whoever has it may do as well: to write implies to read.
            #[must_use]
            pub const fn implied(self) -> Option<Self> {
                match self {
                    $(Self::$name => scopes!(@implied $($implied)?),)+
                }
            }
        }

        /// What an operation needs of its caller, as types: a handler names one in its signature.
        pub mod needs {
            use super::Scope;

            /// What an operation needs.
            pub trait Needs: Send + Sync + 'static {
                /// The scope, if it needs one.
                const SCOPE: Option<Scope>;
            }

            /// Whoever is known may call.
            #[derive(Debug, Clone, Copy)]
            pub struct Anyone;

            impl Needs for Anyone {
                const SCOPE: Option<Scope> = None;
            }

            $(
                $(#[$docs])*
                #[derive(Debug, Clone, Copy)]
                pub struct $name;

                impl Needs for $name {
                    const SCOPE: Option<Scope> = Some(Scope::$name);
                }
            )+
        }
    };
    (@implied $implied:ident) => { Some(Self::$implied) };
    (@implied) => { None };
}

scopes! {
    /// See orders.
    OrdersRead => "orders:read";
    /// Create, change, check out and cancel orders.
    OrdersWrite => "orders:write", implies OrdersRead;
    /// Refund paid orders.
    OrdersRefund => "orders:refund", implies OrdersRead;
    /// See items.
    StockRead => "stock:read";
    /// Create and change items.
    StockWrite => "stock:write", implies StockRead;
    /// See accounts.
    PaymentRead => "payment:read";
    /// Credit and debit accounts.
    PaymentWrite => "payment:write", implies PaymentRead;
    /// See users.
    UsersRead => "users:read";
    /// Change what users may do.
    UsersWrite => "users:write", implies UsersRead;
    /// See API keys; never their secrets.
    KeysRead => "keys:read";
    /// Create and revoke API keys.
    KeysWrite => "keys:write", implies KeysRead;
    /// Read the feed of all events.
    EventsRead => "events:read";
}

/// The text is no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a scope is one of {}", names())]
pub struct BadScope;

fn names() -> String {
    let names: Vec<&str> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
    names.join(", ")
}

impl FromStr for Scope {
    type Err = BadScope;

    fn from_str(text: &str) -> Result<Self, BadScope> {
        let found = Self::ALL.iter().find(|scope| scope.as_str() == text);
        found.copied().ok_or(BadScope)
    }
}

impl TryFrom<Cow<'_, str>> for Scope {
    type Error = BadScope;

    fn try_from(text: Cow<'_, str>) -> Result<Self, BadScope> {
        text.parse()
    }
}

impl From<Scope> for &'static str {
    fn from(scope: Scope) -> Self {
        scope.as_str()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// All that a principal may do. An empty set allows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// Every scope.
    #[must_use]
    pub fn all() -> Self {
        Scope::ALL.iter().copied().collect()
    }

    /// Whether they allow this: they have it, or one that implies it.
    #[must_use]
    pub fn allow(&self, scope: Scope) -> bool {
        self.0
            .iter()
            .any(|held| *held == scope || held.implied() == Some(scope))
    }

    /// Those that were given, without what they imply, in order.
    pub fn iter(&self) -> impl Iterator<Item = Scope> + '_ {
        self.0.iter().copied()
    }

    /// Whether they allow nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn to_write_implies_to_read_and_never_the_other_way() {
        let writes: Scopes = [Scope::OrdersWrite].into_iter().collect();
        assert!(writes.allow(Scope::OrdersWrite) && writes.allow(Scope::OrdersRead));
        assert!(!writes.allow(Scope::StockRead) && !writes.allow(Scope::OrdersRefund));
        let reads: Scopes = [Scope::OrdersRead].into_iter().collect();
        assert!(!reads.allow(Scope::OrdersWrite));
        assert!(Scope::ALL.iter().all(|scope| !Scopes::default().allow(*scope)));
    }

    #[test]
    fn a_scope_survives_a_round_trip_and_what_is_none_is_told_what_there_is() {
        for scope in Scope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(*scope));
        }
        let told = "orders:delete".parse::<Scope>().expect_err("no scope").to_string();
        assert!(told.contains("orders:read, orders:write"), "{told}");
    }
}
