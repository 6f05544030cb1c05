use shared::{
    amounts::Credits,
    engine::{Command, Touches, View},
    keys::{Key, Partition},
};

use crate::record::Account;

/// Opens accounts, or sets existing ones to the given credit.
#[derive(Debug)]
pub struct Init {
    /// Where all the accounts live.
    pub partition: Partition,
    /// The accounts.
    pub accounts: Vec<Key<Account>>,
    /// What each user will be able to spend.
    pub credit: Credits,
}

/// What became of an [`Init`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitOutcome {
    /// All accounts are as asked for.
    Done,
    /// What sagas have charged to a user, and the new credit, are too much to count together. Nothing changed.
    Overflow,
}

impl Command for Init {
    type Outcome = InitOutcome;

    fn partition(&self) -> Partition {
        self.partition
    }

    fn touches(&self, touches: &mut Touches) {
        self.accounts.iter().for_each(|account| touches.record(account));
    }

    fn decide(&self, view: &mut View) -> InitOutcome {
        let funded: Option<Vec<Credits>> = self
            .accounts
            .iter()
            .map(|account| self.funded(view.get(account)))
            .collect();
        let Some(funded) = funded else {
            return InitOutcome::Overflow;
        };
        for (key, funded) in self.accounts.iter().zip(funded) {
            let credit = self.credit;
            view.put(key, Account { credit, funded });
        }
        InitOutcome::Done
    }
}

impl Init {
    /// The new credit and what sagas have charged, which stays true across the change.
    fn funded(&self, old: Option<&Account>) -> Option<Credits> {
        match old {
            None => Some(self.credit),
            Some(old) => old.funded.checked_sub(old.credit)?.checked_add(self.credit),
        }
    }
}
