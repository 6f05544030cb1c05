use domain::Amount;
use engine::keys::Key;
use serde::{Deserialize, Serialize};

use crate::{Balanced, Fingerprint};

/// What is known of one saga's claim on one balance. Everything but `Held` is a tombstone: it expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold<A> {
    /// The amount is set aside for the saga, or sold to it: then the hold is removed once nobody can ask for it any
    /// more.
    Held {
        /// How much.
        amount: A,
        /// The balance's serial after it was taken.
        since: u64,
        /// What it is set aside for.
        fingerprint: Fingerprint,
    },
    /// The saga was refused. The answer stays the same, even if more comes in later.
    Refused(Refusal<A>),
    /// The saga was undone: nothing is set aside, and never will be.
    Undone {
        /// What was set aside until then.
        #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
        before: Option<Span<A>>,
    },
}

/// Why a saga got nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal<A> {
    /// Too little was left.
    TooLittle {
        /// How much was left.
        left: A,
    },
    /// There was no such balance.
    NoBalance,
    /// The store was nearly full.
    NoRoom,
}

/// An amount that was set aside for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span<A> {
    /// How much.
    pub amount: A,
    /// The balance's serial after it was taken.
    pub since: u64,
    /// The balance's serial after it was given back.
    pub until: u64,
}

/// Where the hold on a record's balance is.
pub type HoldKey<B> = Key<Hold<<B as Balanced>::Amount>>;

impl<A: Amount> Hold<A> {
    /// What the saga has taken and not given back.
    #[must_use]
    pub fn held(&self) -> Option<A> {
        match self {
            Self::Held { amount, .. } => Some(*amount),
            Self::Refused(_) | Self::Undone { .. } => None,
        }
    }

    /// How much the hold accounts for in a reading of its balance that shows this serial.
    #[must_use]
    pub fn amount_at(&self, serial: u64) -> A {
        match self {
            Self::Held { amount, since, .. } if *since <= serial => *amount,
            Self::Undone { before: Some(span) } if span.since <= serial && serial < span.until => span.amount,
            _ => A::ZERO,
        }
    }
}
