//! The accounts as they are stored.

use domain::Credits;
use ledger::{Balance, Balanced};
use serde::{Deserialize, Serialize};

/// A user's account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The credit that the user can spend.
    pub balance: Balance<Credits>,
}

/// What is known of one saga's charge.
pub type Hold = ledger::Hold<Credits>;

impl Balanced for Account {
    type Amount = Credits;

    fn balance(&self) -> &Balance<Credits> {
        &self.balance
    }

    fn with(&self, balance: Balance<Credits>) -> Self {
        Self { balance }
    }
}
