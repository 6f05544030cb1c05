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
        let accounts: Option<Vec<Account>> = self
            .accounts
            .iter()
            .map(|account| self.set(view.get(account)))
            .collect();
        let Some(accounts) = accounts else {
            return InitOutcome::Overflow;
        };
        for (key, account) in self.accounts.iter().zip(accounts) {
            view.put(key, account);
        }
        InitOutcome::Done
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
