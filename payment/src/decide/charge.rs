use std::ops::RangeInclusive;

use domain::{Credits, Timestamp};
use engine::{
    Command, Touches, View,
    keys::{Key, Partition},
};
use saga::{ChargeAnswer, Fingerprint, Terms};

use crate::record::{Account, Hold};

/// Takes a saga's total from a user's credit, at most once.
///
/// Repeating the command gives the first answer and moves no credit, also where the first answer was a
/// refusal: otherwise a duplicate that arrives after the saga was rejected would charge for nothing. A
/// saga that was refunded before it was charged is refused for good. If the saga's name has paid for something else,
/// nothing is taken and what was paid stays so.
#[derive(Debug)]
pub(crate) struct ChargeAccount {
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
    /// Whether the store has room for what is new.
    pub(crate) has_room: bool,
    /// How much.
    pub(crate) amount: Credits,
}

impl Command for ChargeAccount {
    type Outcome = ChargeAnswer;

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

    fn decide(&self, view: &mut View) -> ChargeAnswer {
        if let Some(hold) = view.get(&self.hold) {
            return self.answer_of(hold);
        }
        let (hold, account) = self.first_time(view.get(&self.account));
        let answer = self.answer_of(&hold);
        match account {
            Some(account) => {
                view.put(&self.account, account);
                view.put(&self.hold, hold);
            }
            None => view.put_expiring(&self.hold, hold, self.terms.kept()),
        }
        answer
    }
}

impl ChargeAccount {
    /// What to remember of the charge, and the account after it, where it changes.
    fn first_time(&self, account: Option<&Account>) -> (Hold, Option<Account>) {
        let Some(account) = account else {
            return (Hold::UnknownUser, None);
        };
        match account.credit.checked_sub(self.amount) {
            None => (Hold::InsufficientCredit { credit: account.credit }, None),
            Some(_) if !self.has_room => (Hold::NoRoom, None),
            Some(credit) => {
                let account = Account {
                    credit,
                    serial: account.serial + 1,
                    ..account.clone()
                };
                let hold = Hold::Charged {
                    amount: self.amount,
                    since: account.serial,
                    fingerprint: self.fingerprint,
                };
                (hold, Some(account))
            }
        }
    }

    fn answer_of(&self, hold: &Hold) -> ChargeAnswer {
        match hold {
            Hold::Charged {
                amount, fingerprint, ..
            } if *amount == self.amount && *fingerprint == self.fingerprint => ChargeAnswer::Charged,
            Hold::Charged { .. } => ChargeAnswer::Mismatch,
            Hold::InsufficientCredit { credit } => ChargeAnswer::InsufficientCredit { credit: *credit },
            Hold::UnknownUser => ChargeAnswer::UnknownUser,
            Hold::NoRoom => ChargeAnswer::StoreFull,
            Hold::Refunded { .. } => ChargeAnswer::Undone,
        }
    }
}
