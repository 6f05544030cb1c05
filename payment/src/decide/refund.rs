use std::ops::RangeInclusive;

use domain::{Credits, Timestamp};
use engine::{
    Command, Touches, View,
    keys::{Key, Partition},
};
use saga::{Fingerprint, Refunded, Terms};

use crate::record::{Account, Hold, Span};

/// Gives back what a saga took, and refuses it for good.
///
/// A saga that took nothing gets a tombstone all the same, so that its late charge is refused. What its name took for
/// something else stays taken, and refuses it as well.
#[derive(Debug)]
pub(crate) struct RefundAccount {
    /// The user's account.
    pub(crate) account: Key<Account>,
    /// What is known of the saga's charge.
    pub(crate) hold: Key<Hold>,
    /// How long words count and records stay.
    pub(crate) terms: Terms,
    /// When the asking driver took the saga.
    pub(crate) driven_since: Timestamp,
    /// What the saga is about.
    pub(crate) fingerprint: Fingerprint,
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

    fn validity(&self) -> RangeInclusive<Timestamp> {
        self.terms.honour(self.driven_since)
    }

    fn decide(&self, view: &mut View) -> Refunded {
        match view.get(&self.hold) {
            Some(Hold::Charged {
                amount,
                since,
                fingerprint,
            }) if *fingerprint == self.fingerprint => {
                let (amount, since) = (*amount, *since);
                let until = give_back(view, &self.account, amount);
                let before = until.map(|until| Span { amount, since, until });
                view.put_expiring(&self.hold, Hold::Refunded { before }, self.terms.kept());
            }
            None => view.put_expiring(&self.hold, Hold::Refunded { before: None }, self.terms.kept()),
            // These refuse the saga as they are.
            Some(
                Hold::Charged { .. }
                | Hold::Refunded { .. }
                | Hold::InsufficientCredit { .. }
                | Hold::UnknownUser
                | Hold::NoRoom,
            ) => {}
        }
        Refunded
    }
}

/// Returns the account's serial afterwards. An account that is no longer there has no credit to give back to.
fn give_back(view: &mut View, key: &Key<Account>, amount: Credits) -> Option<u64> {
    let account = view.get(key).cloned()?;
    let account = Account {
        // Credit never exceeds `funded`, which is checked on its way in.
        credit: account.credit.checked_add(amount).unwrap_or(Credits::MAX),
        serial: account.serial + 1,
        ..account
    };
    let serial = account.serial;
    view.put(key, account);
    Some(serial)
}
