//! The accounts as they are stored.

use domain::Credits;
use saga::Fingerprint;
use serde::{Deserialize, Serialize};

/// A user's account.
///
/// `credit` and all that sagas have charged add up to `funded`. Because `funded` is checked when credit
/// comes in, a refund can never overflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// What the user can spend.
    pub credit: Credits,
    /// All credit that came in, less what was paid out directly.
    pub funded: Credits,
    /// How many charges and refunds have changed `credit`. Every hold tells at which of them it began, and
    /// where it was refunded, at which it ended: so the holds that add up to one reading of the account can
    /// be told from the others, however much happens between reading the account and reading the holds.
    pub serial: u64,
}

/// What is known of one saga's charge. Everything but `Charged` is a tombstone: it expires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// The amount is taken. Where the saga is paid, the hold is removed once nobody can ask for it any more.
    Charged {
        /// How much.
        amount: Credits,
        /// The account's serial after it was.
        since: u64,
        /// What it was taken for.
        fingerprint: Fingerprint,
    },
    /// The saga was refused. The answer stays the same, even when credit comes in later.
    InsufficientCredit {
        /// How much the user had.
        credit: Credits,
    },
    /// The saga was refused: there was no such user.
    UnknownUser,
    /// The saga was refused: the store was nearly full.
    NoRoom,
    /// The saga was undone: nothing is taken, and never will be.
    Refunded {
        /// What was taken until then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Span>,
    },
}

/// An amount that was taken for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// How much.
    pub amount: Credits,
    /// The account's serial after it was taken.
    pub since: u64,
    /// The account's serial after it was given back.
    pub until: u64,
}

impl Hold {
    /// How much the hold accounts for in a reading of its account that shows this serial.
    #[must_use]
    pub fn amount_at(&self, serial: u64) -> Credits {
        match self {
            Self::Charged { amount, since, .. } if *since <= serial => *amount,
            Self::Refunded { before: Some(span) } if span.since <= serial && serial < span.until => span.amount,
            _ => Credits::ZERO,
        }
    }
}
