use engine::{
    Command, Touches, View,
    keys::{Key, Partition},
};

use crate::record::Account;

/// Opens an account without credit. Its user's id must be new.
#[derive(Debug)]
pub(crate) struct Create {
    pub(crate) account: Key<Account>,
}

impl Command for Create {
    type Outcome = ();

    fn partition(&self) -> Partition {
        self.account.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.record(&self.account);
    }

    fn decide(&self, view: &mut View) {
        view.put(&self.account, Account::default());
    }
}
