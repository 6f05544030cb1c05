use domain::{Credits, UserId};
use engine::{
    Command, Touches, View,
    keys::{Key, Partition},
};
use ledger::Balanced;

use crate::{events::AccountDebited, problems::Refusal, record::Account};

/// Takes from a user's credit, outside of any checkout. The outcome is what is left.
#[derive(Debug)]
pub(crate) struct Pay {
    pub(crate) user_id: UserId,
    pub(crate) account: Key<Account>,
    pub(crate) amount: Credits,
}

impl Command for Pay {
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
        let balance = account
            .balance
            .withdraw(self.amount)
            .ok_or_else(|| Refusal::InsufficientCredit {
                user_id: self.user_id.clone(),
                credit: account.balance.left(),
                asked: self.amount,
            })?;
        let (mut account, amount, credit) = (account.with(balance), self.amount, balance.left());
        view.emit(&self.account, &mut account.sequence, &AccountDebited { amount, credit });
        view.put(&self.account, account);
        Ok(credit)
    }
}
