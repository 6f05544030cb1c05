use domain::Credits;
use engine::{
    Command, Touches, View,
    keys::{Key, Partition},
};

use crate::record::Account;

/// Adds to a user's credit.
#[derive(Debug)]
pub(crate) struct AddFunds {
    /// The user's account.
    pub(crate) account: Key<Account>,
    /// How much.
    pub(crate) amount: Credits,
}

/// What became of an [`AddFunds`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AddFundsOutcome {
    /// The amount is in; `credit` is the new sum.
    Added {
        /// What the user can spend now.
        credit: Credits,
    },
    /// There is no such user.
    UnknownUser,
    /// All credit that ever came in would be too much to count. Nothing changed.
    Overflow,
}

impl Command for AddFunds {
    type Outcome = AddFundsOutcome;

    fn partition(&self) -> Partition {
        self.account.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.record(&self.account);
    }

    fn decide(&self, view: &mut View) -> AddFundsOutcome {
        let Some(account) = view.get(&self.account).cloned() else {
            return AddFundsOutcome::UnknownUser;
        };
        let sums = (
            account.credit.checked_add(self.amount),
            account.funded.checked_add(self.amount),
        );
        let (Some(credit), Some(funded)) = sums else {
            return AddFundsOutcome::Overflow;
        };
        view.put(
            &self.account,
            Account {
                credit,
                funded,
                ..account
            },
        );
        AddFundsOutcome::Added { credit }
    }
}
