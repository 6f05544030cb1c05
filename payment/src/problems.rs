//! What payment may refuse, and how its answers say so. Statuses stand here and nowhere else in payment.

use domain::{Credits, UserId};
use saga::{INSUFFICIENT_CREDIT, UNKNOWN_USER};
use web::{MALFORMED, OUTCOME_UNKNOWN, OVERFLOW, PARTLY_BROKEN, PARTLY_DONE, Problem, STORE_FULL, catalogue};

/// Why a decision refuses. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    CreateProblems: STORE_FULL, OUTCOME_UNKNOWN;
    /// What looking a user up may refuse.
    FindProblems: MALFORMED, UNKNOWN_USER;
    /// What adding credit may refuse.
    AddFundsProblems: MALFORMED, UNKNOWN_USER, OVERFLOW, STORE_FULL, OUTCOME_UNKNOWN;
    /// What taking credit may refuse.
    PayProblems: MALFORMED, UNKNOWN_USER, INSUFFICIENT_CREDIT, OUTCOME_UNKNOWN;
    /// What creating many users may refuse.
    BatchInitProblems: MALFORMED, OVERFLOW, STORE_FULL, OUTCOME_UNKNOWN, PARTLY_DONE, PARTLY_BROKEN;
}
