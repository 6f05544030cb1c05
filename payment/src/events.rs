//! What payment announces. ARCHITECTURE.md lists all events.

use domain::{Credits, OrderId, SagaId};
use engine::{Event, EventKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An account was opened.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountOpened {
    /// What the user can spend.
    pub credit: Credits,
}

/// Credit came in.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountCredited {
    /// How much.
    pub amount: Credits,
    /// What the user can spend now.
    pub credit: Credits,
}

/// Credit was taken out, outside of any checkout.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountDebited {
    /// How much.
    pub amount: Credits,
    /// What the user can spend now.
    pub credit: Credits,
}

/// A checkout was charged.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountCharged {
    /// The checkout's saga.
    pub saga_id: SagaId,
    /// How much.
    pub amount: Credits,
    /// What the user can spend now.
    pub credit: Credits,
}

/// A checkout that was charged gave its money back.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountRefunded {
    /// The checkout's saga.
    pub saga_id: SagaId,
    /// How much.
    pub amount: Credits,
    /// What the user can spend now.
    pub credit: Credits,
}

impl Event for AccountOpened {
    const TYPE: &'static str = "account.opened";

    fn example() -> Self {
        Self { credit: Credits::ZERO }
    }
}

impl Event for AccountCredited {
    const TYPE: &'static str = "account.credited";

    fn example() -> Self {
        Self {
            amount: Credits::from(5_000),
            credit: Credits::from(5_000),
        }
    }
}

impl Event for AccountDebited {
    const TYPE: &'static str = "account.debited";

    fn example() -> Self {
        Self {
            amount: Credits::from(500),
            credit: Credits::from(4_500),
        }
    }
}

impl Event for AccountCharged {
    const TYPE: &'static str = "account.charged";

    fn example() -> Self {
        Self {
            saga_id: example_saga(),
            amount: Credits::from(1_250),
            credit: Credits::from(3_250),
        }
    }
}

impl Event for AccountRefunded {
    const TYPE: &'static str = "account.refunded";

    fn example() -> Self {
        Self {
            saga_id: example_saga(),
            amount: Credits::from(1_250),
            credit: Credits::from(4_500),
        }
    }
}

/// All that payment announces.
#[must_use]
pub fn kinds() -> Vec<EventKind> {
    vec![
        EventKind::new::<AccountOpened>(),
        EventKind::new::<AccountCredited>(),
        EventKind::new::<AccountDebited>(),
        EventKind::new::<AccountCharged>(),
        EventKind::new::<AccountRefunded>(),
    ]
}

fn example_saga() -> SagaId {
    SagaId {
        order: OrderId::numbered(7),
        attempt: 1,
    }
}
