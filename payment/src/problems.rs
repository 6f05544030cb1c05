//! What payment may refuse, and how its answers say so. Statuses stand here and nowhere else in payment.

use domain::{Credits, UserId};
use saga::{INSUFFICIENT_CREDIT, UNKNOWN_USER};
use serde::{Deserialize, Serialize};
use web::{
    IDEMPOTENCY_KEY_REUSED, MALFORMED, OUTCOME_UNKNOWN, OVERFLOW, PARTLY_BROKEN, PARTLY_DONE, Problem, STORE_FULL,
    catalogue,
};

/// Why a decision refuses. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Refusal {
    /// There is no such user.
    UnknownUser(UserId),
    /// The user has less.
    InsufficientCredit {
        user_id: UserId,
        credit: Credits,
        asked: Credits,
    },
    /// All credit that ever came in would be too much to count.
    Overflow { user_id: UserId, asked: Credits },
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::UnknownUser(user_id) => Self::new(&UNKNOWN_USER, format!("there is no user {user_id}")),
            Refusal::InsufficientCredit { user_id, credit, asked } => Self::new(
                &INSUFFICIENT_CREDIT,
                format!("user {user_id} has {credit} credit, {asked} was asked for"),
            ),
            Refusal::Overflow { user_id, asked } => {
                Self::new(&OVERFLOW, format!("user {user_id} cannot take {asked} more credit"))
            }
        }
    }
}

catalogue! {
    /// What creating a user may refuse.
    CreateProblems: MALFORMED, IDEMPOTENCY_KEY_REUSED, STORE_FULL, OUTCOME_UNKNOWN;
    /// What looking a user up may refuse.
    FindProblems: MALFORMED, UNKNOWN_USER;
    /// What adding credit may refuse.
    AddFundsProblems: MALFORMED, IDEMPOTENCY_KEY_REUSED, UNKNOWN_USER, OVERFLOW, STORE_FULL, OUTCOME_UNKNOWN;
    /// What taking credit may refuse.
    PayProblems: MALFORMED, IDEMPOTENCY_KEY_REUSED, UNKNOWN_USER, INSUFFICIENT_CREDIT, STORE_FULL, OUTCOME_UNKNOWN;
    /// What creating many users may refuse.
    BatchInitProblems: MALFORMED, OVERFLOW, STORE_FULL, OUTCOME_UNKNOWN, PARTLY_DONE, PARTLY_BROKEN;
}
