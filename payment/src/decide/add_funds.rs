use domain::{Credits, UserId};
use engine::{
    Command, Touches, View,
    keys::{Key, Partition},
};
use ledger::Balanced;

use crate::{events::AccountCredited, problems::Refusal, record::Account};

/// Adds to a user's credit. The outcome is the credit then.
#[derive(Debug)]
pub(crate) struct AddFunds {
    pub(crate) user_id: UserId,
    pub(crate) account: Key<Account>,
    pub(crate) amount: Credits,
}

impl Command for AddFunds {
    type Outcome = Result<Credits, Refusal>;

    fn partition(&self) -> Partition {
        self.account.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.subject(&self.account);
    }

    fn decide(&self, view: &mut View) -> Result<Credits, Refusal> {
        let account = view
            .get(&self.account)
            .ok_or_else(|| Refusal::UnknownUser(self.user_id.clone()))?;
        let balance = account.balance.supply(self.amount).ok_or_else(|| Refusal::Overflow {
            user_id: self.user_id.clone(),
            asked: self.amount,
        })?;
        let (mut account, amount, credit) = (account.with(balance), self.amount, balance.left());
        view.emit(
            &self.account,
            &mut account.sequence,
            &AccountCredited { amount, credit },
        );
        view.put(&self.account, account);
        Ok(credit)
    }
}
