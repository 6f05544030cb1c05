use domain::Credits;
use engine::{
    Command, Touches, View,
    keys::{Key, Partition},
};

use crate::record::Account;

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
        self.accounts.iter().for_each(|(_, account)| touches.record(account));
    }

    fn decide(&self, view: &mut View) -> Vec<u32> {
        let mut stay = Vec::new();
        for (number, key) in &self.accounts {
            let balance = view.get(key).map(|account| account.balance).unwrap_or_default();
            match balance.reset(self.credit) {
                Some(balance) => view.put(key, Account { balance }),
                None => stay.push(*number),
            }
        }
        stay
    }
}
