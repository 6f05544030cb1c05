use engine::{
    Command, Touches, View,
    keys::{Key, Partition},
};

use crate::{events::AccountOpened, record::Account};

/// Opens an account without credit, if there is none. Repeating it changes nothing.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) account: Key<Account>,
}

impl Command for Open {
    type Outcome = ();

    fn partition(&self) -> Partition {
        self.account.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.subject(&self.account);
    }

    fn decide(&self, view: &mut View) {
        if view.get(&self.account).is_some() {
            return;
        }
        let mut account = Account::default();
        let credit = account.balance.left();
        view.emit(&self.account, &mut account.sequence, &AccountOpened { credit });
        view.put(&self.account, account);
    }
}

#[cfg(test)]
mod tests {
    use domain::{Credits, UserId};
    use engine::{Simulation, keys::Partitions};

    use super::*;
    use crate::{decide::AddFunds, keys::Keys};

    #[test]
    fn opening_an_account_that_is_there_changes_nothing() {
        let (mut store, user_id) = (Simulation::default(), UserId::numbered(7));
        let account = Partitions::new(4).expect("an allowed count").account(&user_id);
        let open = Open {
            account: account.clone(),
        };
        store.run(&open).expect("a decision");
        let funds = AddFunds {
            user_id,
            account,
            amount: Credits::from(5),
        };
        store.run(&funds).expect("a decision").expect("credit");
        let before = store.clone();
        store.run(&open).expect("a decision");
        assert_eq!(store, before);
        assert_eq!(store.events().len(), 2);
    }
}
