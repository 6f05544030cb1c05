use shared::{
    amounts::Credits,
    engine::{Command, Touches, View},
    keys::{Key, Partition},
    protocol::{Refunded, TOMBSTONE_KEPT},
};

use crate::record::{Account, Hold};

/// Gives back what a saga took, and refuses it for good.
///
/// A saga that took nothing gets a tombstone all the same, so that its late charge is refused.
#[derive(Debug)]
pub struct RefundAccount {
    /// The user's account.
    pub account: Key<Account>,
    /// What is known of the saga's charge.
    pub hold: Key<Hold>,
}

impl Command for RefundAccount {
    type Outcome = Refunded;

    fn partition(&self) -> Partition {
        self.account.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.record(&self.account);
        touches.record(&self.hold);
    }

    fn decide(&self, view: &mut View) -> Refunded {
        match view.get(&self.hold) {
            Some(Hold::Charged { amount }) => {
                let amount = *amount;
                give_back(view, &self.account, amount);
                view.put_expiring(&self.hold, Hold::Refunded, TOMBSTONE_KEPT);
            }
            None => view.put_expiring(&self.hold, Hold::Refunded, TOMBSTONE_KEPT),
            // These refuse the saga as they are.
            Some(Hold::Refunded | Hold::InsufficientCredit { .. } | Hold::UnknownUser) => {}
        }
        Refunded
    }
}

fn give_back(view: &mut View, key: &Key<Account>, amount: Credits) {
    // An account that is no longer there has no credit to give back to.
    if let Some(account) = view.get(key).cloned() {
        // Credit never exceeds `funded`, which is checked on its way in.
        let credit = account.credit.checked_add(amount).unwrap_or(Credits::MAX);
        view.put(key, Account { credit, ..account });
    }
}
