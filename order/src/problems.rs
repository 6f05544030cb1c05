//! What order may refuse, and how its answers say so. Statuses stand here and nowhere else in order.

use domain::{ItemId, OrderId};
use engine::EngineError;
use process::NO_BUS;
use saga::{INSUFFICIENT_CREDIT, OUT_OF_STOCK, UNKNOWN_ITEM, UNKNOWN_USER};
use serde::{Deserialize, Serialize};
use web::{
    IDEMPOTENCY_KEY_REUSED, MALFORMED, OUTCOME_UNKNOWN, OVERFLOW, OVERLOADED, PARTLY_BROKEN, PARTLY_DONE, Problem,
    ProblemKind, STORE_FULL, UNAVAILABLE, catalogue,
};

use crate::record::{MAX_LINES, Rejection};

const UNKNOWN_ORDER: ProblemKind = ProblemKind::new("unknown-order", 404, "There is no such order.");
const ALREADY_PAID: ProblemKind = ProblemKind::new("already-paid", 409, "The order is paid and takes no more lines.");
const BEING_CHECKED_OUT: ProblemKind =
    ProblemKind::new("being-checked-out", 409, "A checkout of the order is under way.");
const TOO_MANY_LINES: ProblemKind = ProblemKind::new("too-many-lines", 409, "The order has as many lines as it may.");
const EMPTY_ORDER: ProblemKind = ProblemKind::new("empty-order", 409, "The order has no lines.");
const ITEM_GONE: ProblemKind = ProblemKind::new("item-gone", 409, "An item of the order no longer exists.");
const INTERRUPTED: ProblemKind = ProblemKind::new("interrupted", 409, "The checkout was interrupted and undone.");
const DEADLINE_PASSED: ProblemKind = ProblemKind::new(
    "deadline-passed",
    409,
    "The checkout was not finished in time and was undone.",
);
const SAGA_MISMATCH: ProblemKind = ProblemKind::new(
    "saga-mismatch",
    409,
    "The checkout's name holds something else, so this one was undone.",
);
const SET_BACK: ProblemKind = ProblemKind::new(
    "order-set-back",
    409,
    "The order was set back while its checkout was waited for.",
);
const UNDECIDED: ProblemKind = ProblemKind::passing("undecided", 503, "The checkout is not decided yet.", 1);
/// Some orders could not be set back.
pub(crate) const ORDERS_BUSY: ProblemKind = ProblemKind::new("orders-busy", 409, "Some orders are being checked out.");

/// As many streams are open as may be.
pub(crate) const TOO_MANY_STREAMS: ProblemKind = ProblemKind::passing(
    "too-many-streams",
    503,
    "As many event streams are open as may be at once.",
    5,
);

/// Beginning a checkout twice charges once.
const BEGIN_UNKNOWN: ProblemKind = OUTCOME_UNKNOWN.safe_to_repeat();

catalogue! {
    /// What creating an order may refuse.
    CreateProblems: MALFORMED, IDEMPOTENCY_KEY_REUSED, STORE_FULL, OUTCOME_UNKNOWN;
    /// What looking an order up may refuse.
    FindProblems: MALFORMED, UNKNOWN_ORDER;
    /// What following an order may refuse.
    FollowProblems: MALFORMED, UNKNOWN_ORDER, NO_BUS, TOO_MANY_STREAMS;
    /// What adding a line may refuse.
    AddItemProblems:
        MALFORMED,
        IDEMPOTENCY_KEY_REUSED,
        UNKNOWN_ORDER,
        UNKNOWN_ITEM,
        OVERFLOW,
        ALREADY_PAID,
        BEING_CHECKED_OUT,
        TOO_MANY_LINES,
        STORE_FULL,
        OUTCOME_UNKNOWN;
    /// What a checkout may refuse.
    CheckoutProblems:
        MALFORMED,
        IDEMPOTENCY_KEY_REUSED,
        INSUFFICIENT_CREDIT,
        UNKNOWN_ORDER,
        UNKNOWN_USER,
        EMPTY_ORDER,
        OUT_OF_STOCK,
        ITEM_GONE,
        INTERRUPTED,
        DEADLINE_PASSED,
        SAGA_MISMATCH,
        SET_BACK,
        STORE_FULL,
        UNDECIDED,
        BEGIN_UNKNOWN;
    /// What creating many orders may refuse.
    BatchInitProblems: MALFORMED, OVERFLOW, ORDERS_BUSY, STORE_FULL, OUTCOME_UNKNOWN, PARTLY_DONE, PARTLY_BROKEN;
}

/// Why order refuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Refusal {
    /// There is no such order.
    UnknownOrder(OrderId),
    /// Stock knows no such item.
    UnknownItem(ItemId),
    /// Stock did not tell the item's price.
    NoPrice(ItemId),
    /// The order is settled and takes no lines.
    AlreadyPaid(OrderId),
    /// The order takes no lines while its checkout is under way.
    BeingCheckedOut(OrderId),
    /// The order has [`MAX_LINES`] lines.
    TooManyLines,
    /// The order's total, or its pieces of one item, would be too many to count.
    Overflow(OrderId),
    /// A store is nearly full, so no checkout is begun.
    NoRoom,
    /// The order has no lines to check out.
    Empty(OrderId),
    /// As many checkouts are under way as may be. Nothing was begun.
    Busy,
    /// The checkout was rejected; nothing is held.
    Rejected(OrderId, Rejection),
    /// The checkout was rejected, and somebody has set the order back since; why it was rejected is not recorded.
    SetBack(OrderId),
    /// The checkout is not decided yet. Asking again is safe and waits for the same saga.
    Undecided(OrderId),
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::UnknownOrder(order_id) => Self::new(&UNKNOWN_ORDER, format!("there is no order {order_id}")),
            Refusal::UnknownItem(item_id) => Self::new(&UNKNOWN_ITEM, format!("there is no item {item_id}")),
            Refusal::NoPrice(item_id) => Self::new(
                &UNAVAILABLE,
                format!("stock did not tell the price of item {item_id}; the order is as it was"),
            ),
            Refusal::AlreadyPaid(order_id) => Self::new(&ALREADY_PAID, format!("order {order_id} is paid")),
            Refusal::BeingCheckedOut(order_id) => Self::new(
                &BEING_CHECKED_OUT,
                format!("order {order_id} takes lines again if its checkout is rejected"),
            ),
            Refusal::TooManyLines => Self::new(&TOO_MANY_LINES, format!("an order has at most {MAX_LINES} lines")),
            Refusal::Overflow(order_id) => Self::new(
                &OVERFLOW,
                format!("order {order_id} would cost more, or hold more pieces of the item, than can be counted"),
            ),
            Refusal::NoRoom => EngineError::StoreFull.into(),
            Refusal::Empty(order_id) => Self::new(&EMPTY_ORDER, format!("add a line to order {order_id} first")),
            Refusal::Busy => Self::new(&OVERLOADED, "as many checkouts are under way as MAX_CHECKOUTS allows"),
            Refusal::Rejected(order_id, rejection) => rejected(&order_id, &rejection),
            Refusal::SetBack(order_id) => Self::new(
                &SET_BACK,
                format!(
                    "the checkout of order {order_id} was rejected, and the order has been set back since; look at it before you check it out"
                ),
            ),
            Refusal::Undecided(order_id) => Self::new(
                &UNDECIDED,
                format!("the checkout of order {order_id} goes on by itself; ask again to hear how it ended"),
            ),
        }
    }
}

/// A checkout that the engine could not begin, or did and cannot tell.
pub(crate) fn checkout_failed(error: EngineError) -> Problem {
    let problem = Problem::from(error);
    if problem.kind == &OUTCOME_UNKNOWN {
        Problem::new(&BEGIN_UNKNOWN, "ask again; an order is charged once")
    } else {
        problem
    }
}

fn rejected(order_id: &OrderId, rejection: &Rejection) -> Problem {
    match rejection {
        Rejection::OutOfStock { item_id, left } => Problem::new(
            &OUT_OF_STOCK,
            format!("order {order_id} needs more of item {item_id} than the {left} pieces there are"),
        ),
        Rejection::ItemGone { item_id } => Problem::new(
            &ITEM_GONE,
            format!("order {order_id} has a line for item {item_id}, which no longer exists"),
        ),
        Rejection::InsufficientCredit { credit } => Problem::new(
            &INSUFFICIENT_CREDIT,
            format!("order {order_id} costs more than the {credit} credit that its user has"),
        ),
        Rejection::UnknownUser => Problem::new(&UNKNOWN_USER, format!("the user of order {order_id} does not exist")),
        Rejection::StoreFull => Problem::new(&STORE_FULL, undone(order_id)),
        Rejection::Mismatch => Problem::new(&SAGA_MISMATCH, undone(order_id)),
        Rejection::Interrupted => Problem::new(&INTERRUPTED, undone(order_id)),
        Rejection::DeadlinePassed => Problem::new(&DEADLINE_PASSED, undone(order_id)),
    }
}

fn undone(order_id: &OrderId) -> String {
    format!("the checkout of order {order_id} was undone; it can be tried anew")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkout_whose_beginning_is_unknown_may_be_repeated() {
        let lost = || EngineError::OutcomeUnknown("the answer never came".into());
        let answer = checkout_failed(lost()).answer("/");
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.header("Retry-After"), Some("1"));
        assert_eq!(
            Problem::from(lost()).answer("/").header("Retry-After"),
            None,
            "as addItem answers"
        );
    }
}
