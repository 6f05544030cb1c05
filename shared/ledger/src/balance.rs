use domain::{Amount, SagaId};
use engine::{Record, View, keys::Key};
use serde::{Deserialize, Serialize};

/// How much is left of a thing that sagas take from.
///
/// What is left and what sagas hold or have bought add up to what was supplied. Because the supply is checked when
/// something comes in, giving back what a saga holds can never overflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance<A> {
    left: A,
    supplied: A,
    serial: u64,
}

/// A record with a balance.
pub trait Balanced: Record + Clone {
    /// In what the balance counts.
    type Amount: Amount;

    /// Its balance.
    fn balance(&self) -> &Balance<Self::Amount>;

    /// The record with another balance.
    #[must_use]
    fn with(&self, balance: Balance<Self::Amount>) -> Self;

    /// Puts it after a saga has moved some of its balance, and announces that.
    fn put_moved(self, view: &mut View, key: &Key<Self>, movement: &Movement<'_, Self::Amount>);
}

/// What a saga has done to a balance.
#[derive(Debug, Clone, Copy)]
pub struct Movement<'a, A> {
    /// The saga.
    pub saga_id: &'a SagaId,
    /// How much it has moved.
    pub amount: A,
    /// Whether it took it, or gave it back.
    pub direction: Direction,
}

/// Which way a saga moves something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the balance into the saga's hold.
    Taken,
    /// From the saga's hold back.
    GivenBack,
}

impl<A: Amount> Default for Balance<A> {
    /// Nothing has come in yet.
    fn default() -> Self {
        Self {
            left: A::ZERO,
            supplied: A::ZERO,
            serial: 0,
        }
    }
}

impl<A: Amount> Balance<A> {
    /// How much can be taken.
    #[must_use]
    pub fn left(&self) -> A {
        self.left
    }

    /// All that came in, less what was taken out directly.
    #[must_use]
    pub fn supplied(&self) -> A {
        self.supplied
    }

    /// How often sagas have taken or given back.
    ///
    /// Every hold tells at which of these moments it began and ended. So an auditor can tell which holds belong to one
    /// reading of the balance, however much happens between reading the balance and reading the holds.
    #[must_use]
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// With more of it; `None` if all that ever came in would be too much to count.
    #[must_use]
    pub fn supply(&self, amount: A) -> Option<Self> {
        Some(Self {
            left: self.left.checked_add(amount)?,
            supplied: self.supplied.checked_add(amount)?,
            ..*self
        })
    }

    /// With less of it, outside of any saga; `None` if less is left.
    #[must_use]
    pub fn withdraw(&self, amount: A) -> Option<Self> {
        Some(Self {
            left: self.left.checked_sub(amount)?,
            supplied: self.supplied.checked_sub(amount)?,
            ..*self
        })
    }

    /// With so much left, whatever was left before; `None` if that and what sagas hold or have bought are too much to
    /// count together.
    #[must_use]
    pub fn reset(&self, left: A) -> Option<Self> {
        Some(Self {
            left,
            supplied: self.supplied.checked_sub(self.left)?.checked_add(left)?,
            ..*self
        })
    }

    /// After a saga has taken some of it; `None` if less is left.
    pub(crate) fn take(&self, amount: A) -> Option<Self> {
        Some(Self {
            left: self.left.checked_sub(amount)?,
            serial: self.serial + 1,
            ..*self
        })
    }

    /// After a saga has given back what it took.
    pub(crate) fn give_back(&self, amount: A) -> Self {
        Self {
            // What is left never exceeds the supply, which was checked on its way in.
            left: self.left.checked_add(amount).unwrap_or(A::MAX),
            serial: self.serial + 1,
            ..*self
        }
    }
}
