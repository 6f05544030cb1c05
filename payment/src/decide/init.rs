use domain::Credits;
use engine::{
    Command, Touches, View,
    keys::{Key, Partition},
};

use crate::record::Account;

/// Opens accounts, or sets existing ones to the given credit.
///
/// The outcome is the numbers of those that stay as they were: what sagas have charged to them, and the new credit, are too
/// much to count together.
#[derive(Debug)]
pub(crate) struct Init {
    /// Where all the accounts live.
    pub(crate) partition: Partition,
    /// The accounts, with their numbers.
    pub(crate) accounts: Vec<(u32, Key<Account>)>,
    /// What each user will be able to spend.
    pub(crate) credit: Credits,
}

impl Command for Init {
    type Outcome = Vec<u32>;

    fn partition(&self) -> Partition {
        self.partition
    }

    fn touches(&self, touches: &mut Touches) {
        self.accounts.iter().for_each(|(_, account)| touches.record(account));
    }

    fn decide(&self, view: &mut View) -> Vec<u32> {
        let mut stay = Vec::new();
        for (number, key) in &self.accounts {
            match self.set(view.get(key)) {
                Some(account) => view.put(key, account),
                None => stay.push(*number),
            }
        }
        stay
    }
}

impl Init {
    /// The account as asked for. What sagas have charged stays true across the change.
    fn set(&self, old: Option<&Account>) -> Option<Account> {
        let (funded, serial) = match old {
            None => (self.credit, 0),
            Some(old) => (
                old.funded.checked_sub(old.credit)?.checked_add(self.credit)?,
                old.serial,
            ),
        };
        Some(Account {
            credit: self.credit,
            funded,
            serial,
        })
    }
}
