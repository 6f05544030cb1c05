//! Every call that a client made, and what it was told.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use domain::ServiceName;
use serde::Serialize;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Call {
    /// A new order.
    CreateOrder,
    /// A line more in this order.
    AddItem(String),
    /// This order's checkout.
    Checkout(String),
    /// Whether this order is paid.
    FindOrder(String),
    /// How many pieces an item has.
    FindItem(String),
    /// How much credit a user has.
    FindUser(String),
    /// So many pieces more of an item.
    AddStock(String, i64),
    /// So much more credit for a user.
    AddFunds(String, i64),
}

/// What names a request that is repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Named {
    /// Its `Idempotency-Key`.
    pub(crate) key: String,
    /// Where it is sent.
    pub(crate) path: String,
}

/// What the client was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    /// An answer with this status, and what it says that a check can use.
    Answer {
        /// The HTTP status.
        status: u16,
        /// What it says.
        says: Content,
    },
    /// No answer: the connection broke, or the client gave up. The call may still be on its way.
    Nothing,
}

/// What an answer says, as far as a check can use it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Content {
    /// Whether an order is paid.
    Paid(bool),
    /// How many pieces or how much credit there is.
    Left(i64),
    /// Nothing of use, or an error's text.
    Text(String),
}

/// A call from its beginning to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Operation {
    /// Who made it.
    pub(crate) client: usize,
    /// Which replica of its service it was sent to.
    pub(crate) replica: usize,
    /// When it was sent, from the start of the history.
    pub(crate) begun: Duration,
    /// When the client heard something, or gave up.
    pub(crate) ended: Duration,
    /// How long the client would have waited.
    pub(crate) patience: Duration,
    /// What was asked for.
    pub(crate) call: Call,
    /// Its name, if it may be repeated under one.
    pub(crate) named: Option<Named>,
    /// What the client was told.
    pub(crate) told: Reply,
}

impl Operation {
    /// From the beginning to the end.
    #[must_use]
    pub(crate) fn took(&self) -> Duration {
        self.ended.saturating_sub(self.begun)
    }

    /// The service and the replica that it was sent to.
    #[must_use]
    pub(crate) fn reached(&self) -> (ServiceName, usize) {
        let part = match self.call {
            Call::CreateOrder | Call::AddItem(_) | Call::Checkout(_) | Call::FindOrder(_) => ServiceName::Order,
            Call::FindItem(_) | Call::AddStock(..) => ServiceName::Stock,
            Call::FindUser(_) | Call::AddFunds(..) => ServiceName::Payment,
        };
        (part, self.replica)
    }
}

/// All operations so far.
pub(crate) struct History {
    started: Instant,
    operations: Mutex<Vec<Operation>>,
}

impl Default for History {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            operations: Mutex::default(),
        }
    }
}

impl History {
    /// The time by the history's clock.
    #[must_use]
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Adds an operation.
    pub(crate) fn add(&self, operation: Operation) {
        self.operations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(operation);
    }

    /// All operations, by the time at which they began.
    #[must_use]
    pub(crate) fn operations(&self) -> Vec<Operation> {
        let mut operations = self.operations.lock().unwrap_or_else(PoisonError::into_inner).clone();
        operations.sort_by_key(|operation| operation.begun);
        operations
    }
}
