//! The accounts as they are stored.

use domain::Credits;
use engine::{Sequence, View, keys::Key};
use ledger::{Balance, Balanced, Direction, Movement};
use serde::{Deserialize, Serialize};

use crate::events::{AccountCharged, AccountRefunded};

/// A user's account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The credit that the user can spend.
    pub balance: Balance<Credits>,
    /// The number of the last event about it.
    pub sequence: Sequence,
}

/// What is known of one saga's charge.
pub type Hold = ledger::Hold<Credits>;

impl Balanced for Account {
    type Amount = Credits;

    fn balance(&self) -> &Balance<Credits> {
        &self.balance
    }

    fn with(&self, balance: Balance<Credits>) -> Self {
        Self {
            balance,
            ..self.clone()
        }
    }

    fn put_moved(mut self, view: &mut View, key: &Key<Self>, movement: &Movement<'_, Credits>) {
        let (saga_id, amount, credit) = (movement.saga_id.clone(), movement.amount, self.balance.left());
        match movement.direction {
            Direction::Taken => {
                let event = AccountCharged {
                    saga_id,
                    amount,
                    credit,
                };
                view.emit(key, &mut self.sequence, &event);
            }
            Direction::GivenBack => {
                let event = AccountRefunded {
                    saga_id,
                    amount,
                    credit,
                };
                view.emit(key, &mut self.sequence, &event);
            }
        }
        view.put(key, self);
    }
}
