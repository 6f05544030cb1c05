use domain::Credits;
use engine::{
    Command, Touches, View,
    keys::{Key, Partition},
};

use crate::record::Account;

/// Opens an account without credit.
#[derive(Debug)]
pub(crate) struct Create {
    /// Where the account will be. Its user's id must be new.
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
        let account = Account {
            credit: Credits::ZERO,
            funded: Credits::ZERO,
            serial: 0,
        };
        view.put(&self.account, account);
    }
}
