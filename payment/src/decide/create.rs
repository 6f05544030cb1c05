use domain::UserId;
use engine::{
    Command, Touches, View,
    keys::{Key, Partition},
};

use crate::{events::AccountOpened, record::Account};

/// Opens an account without credit. Its user's id must be new. The outcome is the id: of a repeat, the first one's.
#[derive(Debug)]
pub(crate) struct Create {
    pub(crate) user_id: UserId,
    pub(crate) account: Key<Account>,
}

impl Command for Create {
    type Outcome = UserId;

    fn partition(&self) -> Partition {
        self.account.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.subject(&self.account);
    }

    fn decide(&self, view: &mut View) -> UserId {
        let mut account = Account::default();
        let credit = account.balance.left();
        view.emit(&self.account, &mut account.sequence, &AccountOpened { credit });
        view.put(&self.account, account);
        self.user_id.clone()
    }
}
