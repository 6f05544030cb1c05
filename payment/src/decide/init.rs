use domain::Credits;
use engine::{
    Command, Sequence, Touches, View,
    keys::{Key, Partition},
};

use ledger::Balanced;

use crate::{
    events::{AccountCredited, AccountDebited, AccountOpened},
    record::Account,
};

/// Opens accounts, or sets existing ones to the given credit. What sagas have charged to them stays true.
///
/// The outcome is the numbers of those that stay as they were: what sagas have charged to them, and the new credit, are
/// too much to count together.
#[derive(Debug)]
pub(crate) struct Init {
    pub(crate) partition: Partition,
    /// The accounts, with their numbers.
    pub(crate) accounts: Vec<(u32, Key<Account>)>,
    pub(crate) credit: Credits,
}

impl Command for Init {
    type Outcome = Vec<u32>;

    fn partition(&self) -> Partition {
        self.partition
    }

    fn touches(&self, touches: &mut Touches) {
        self.accounts.iter().for_each(|(_, account)| touches.subject(account));
    }

    fn decide(&self, view: &mut View) -> Vec<u32> {
        let mut stay = Vec::new();
        for (number, key) in &self.accounts {
            let before = view.get(key).cloned();
            let account = before.clone().unwrap_or_default();
            let Some(balance) = account.balance.reset(self.credit) else {
                stay.push(*number);
                continue;
            };
            let mut account = account.with(balance);
            match before {
                None => view.emit(key, &mut account.sequence, &AccountOpened { credit: self.credit }),
                Some(before) => self.announce_difference(view, key, before.balance.left(), &mut account.sequence),
            }
            view.put(key, account);
        }
        stay
    }
}

impl Init {
    /// What was set anew is announced as if it had been added or taken out.
    fn announce_difference(&self, view: &mut View, key: &Key<Account>, before: Credits, sequence: &mut Sequence) {
        let credit = self.credit;
        if let Some(amount) = credit.checked_sub(before).filter(|amount| *amount > Credits::ZERO) {
            view.emit(key, sequence, &AccountCredited { amount, credit });
        } else if let Some(amount) = before.checked_sub(credit).filter(|amount| *amount > Credits::ZERO) {
            view.emit(key, sequence, &AccountDebited { amount, credit });
        }
    }
}
