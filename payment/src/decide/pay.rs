use domain::Credits;
use engine::{
    Command, Touches, View,
    keys::{Key, Partition},
};

use crate::record::Account;

/// Takes from a user's credit, outside of any checkout.
#[derive(Debug)]
pub(crate) struct Pay {
    /// The user's account.
    pub(crate) account: Key<Account>,
    /// How much.
    pub(crate) amount: Credits,
}

/// What became of a [`Pay`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PayOutcome {
    /// The amount is taken; `credit` is what is left.
    Paid {
        /// What the user can spend now.
        credit: Credits,
    },
    /// There is no such user.
    UnknownUser,
    /// The user has less. Nothing changed.
    InsufficientCredit {
        /// What the user can spend.
        credit: Credits,
    },
}

impl Command for Pay {
    type Outcome = PayOutcome;

    fn partition(&self) -> Partition {
        self.account.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.record(&self.account);
    }

    fn decide(&self, view: &mut View) -> PayOutcome {
        let Some(account) = view.get(&self.account).cloned() else {
            return PayOutcome::UnknownUser;
        };
        // What can be spent was funded, so the second difference fails only where the first does.
        let differences = (
            account.credit.checked_sub(self.amount),
            account.funded.checked_sub(self.amount),
        );
        let (Some(credit), Some(funded)) = differences else {
            return PayOutcome::InsufficientCredit { credit: account.credit };
        };
        view.put(
            &self.account,
            Account {
                credit,
                funded,
                ..account
            },
        );
        PayOutcome::Paid { credit }
    }
}
