//! The accounts as they are stored.

use serde::{Deserialize, Serialize};
use shared::amounts::Credits;

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
}

/// What is known of one saga's charge. Everything but `Charged` is a tombstone: it expires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Hold {
    /// The amount is taken.
    Charged {
        /// How much.
        amount: Credits,
    },
    /// The saga was refused. The answer stays the same, even when credit comes in later.
    InsufficientCredit {
        /// How much the user had.
        credit: Credits,
    },
    /// The saga was refused: there was no such user.
    UnknownUser,
    /// The saga was undone: nothing is taken, and never will be.
    Refunded,
}
