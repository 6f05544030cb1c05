//! Whether a history keeps what was promised to the clients. Pure: operations in, violations out.

use std::{collections::BTreeMap, time::Duration};

use super::{
    history::{Call, Content, Operation, Reply},
    keys,
};

/// What an order turned out to be, once nothing moved any more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FinalOrder {
    /// Whether it is paid.
    pub(crate) paid: bool,
    /// Who pays.
    pub(crate) user: String,
    /// Items and numbers of pieces.
    pub(crate) lines: Vec<(String, i64)>,
    /// What it costs.
    pub(crate) total: i64,
}

/// What everything turned out to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FinalState {
    /// The orders.
    pub(crate) orders: BTreeMap<String, FinalOrder>,
    /// What came in of each item, and what is left.
    pub(crate) items: BTreeMap<String, (i64, i64)>,
    /// What came in for each user, and what is left.
    pub(crate) users: BTreeMap<String, (i64, i64)>,
}

/// All promises that the history breaks, in words.
#[must_use]
pub(crate) fn violations(operations: &[Operation], state: &FinalState) -> Vec<String> {
    let mut violations: Vec<String> = operations.iter().filter_map(of_one_answer).collect();
    violations.extend(keys::violations(operations));
    // What was repeated under a key counts once.
    let operations = &keys::once(operations)[..];
    let mut of_order: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    for operation in operations {
        if let Call::Checkout(order) | Call::FindOrder(order) = &operation.call {
            of_order.entry(order).or_default().push(operation);
        }
    }
    for (order, operations) in of_order {
        let Some(last) = state.orders.get(order) else {
            violations.push(format!("order {order} was lost"));
            continue;
        };
        violations.extend(of_an_order(order, &operations, last));
    }
    violations.extend(of_the_lines(operations, state));
    violations.extend(of_the_sums(operations, state));
    violations
}

/// Every line that was added is in its order once; one whose answer was lost, or left it open, once or not at all.
fn of_the_lines(operations: &[Operation], state: &FinalState) -> Vec<String> {
    let mut added: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for operation in operations {
        if let Call::AddItem(order) = &operation.call {
            let (told, open) = added.entry(order).or_default();
            match operation.told {
                Reply::Answer { status: 200, .. } => *told += 1,
                Reply::Answer { status: 503, .. } | Reply::Nothing => *open += 1,
                Reply::Answer { .. } => {}
            }
        }
    }
    let off = added.into_iter().filter_map(|(order, (told, open))| {
        let lines = state.orders.get(order)?.lines.len();
        let right = (told..=told + open).contains(&lines);
        (!right).then(|| format!("order {order} has {lines} lines; {told} were added, and {open} may have been"))
    });
    off.collect()
}

/// No answer may show a fault of the program, or a number below zero.
fn of_one_answer(operation: &Operation) -> Option<String> {
    let Reply::Answer { status, says } = &operation.told else {
        return None;
    };
    let allowed = matches!(status, 200..=499 | 503);
    let below_zero = matches!(says, Content::Left(left) if *left < 0);
    (!allowed || below_zero).then(|| format!("an impossible answer: {operation:?}"))
}

/// A 200 is paid, and stays paid; a 4xx is not paid by that attempt.
fn of_an_order(order: &str, operations: &[&Operation], last: &FinalOrder) -> Vec<String> {
    let mut violations = Vec::new();
    // From when on the order is known to be paid.
    let known_paid: Option<Duration> = operations
        .iter()
        .filter(|one| shows_paid(one))
        .map(|one| one.ended)
        .min();
    if let Some(known_paid) = known_paid {
        if !last.paid {
            violations.push(format!("order {order} was told to be paid, and is not"));
        }
        for later in operations
            .iter()
            .filter(|one| one.begun > known_paid && shows_unpaid(one))
        {
            violations.push(format!(
                "order {order} was paid by {known_paid:?}, and then told not to be: {later:?}"
            ));
        }
    }
    if last.paid && cannot_be_paid(operations) {
        violations.push(format!(
            "order {order} is paid, though every checkout of it was refused: {operations:#?}"
        ));
    }
    violations
}

fn shows_paid(operation: &Operation) -> bool {
    match (&operation.call, &operation.told) {
        (Call::Checkout(_), Reply::Answer { status: 200, .. }) => true,
        (Call::FindOrder(_), Reply::Answer { says, .. }) => *says == Content::Paid(true),
        _ => false,
    }
}

fn shows_unpaid(operation: &Operation) -> bool {
    match (&operation.call, &operation.told) {
        (Call::Checkout(_), told) => is_refusal(told),
        (Call::FindOrder(_), Reply::Answer { says, .. }) => *says == Content::Paid(false),
        _ => false,
    }
}

/// 429 refuses to try; it says nothing of the order.
fn is_refusal(told: &Reply) -> bool {
    matches!(told, Reply::Answer { status: 400..=499, .. }) && !matches!(told, Reply::Answer { status: 429, .. })
}

/// Whether no call can have paid the order: some checkout was refused after which nothing was still on its way and
/// nothing more was asked for, or nobody ever asked.
fn cannot_be_paid(operations: &[&Operation]) -> bool {
    let checkouts: Vec<&&Operation> = operations
        .iter()
        .filter(|one| matches!(one.call, Call::Checkout(_)))
        .collect();
    // A call without an answer may arrive at any later time.
    if checkouts.iter().any(|one| one.told == Reply::Nothing) {
        return false;
    }
    let refused = checkouts.iter().filter(|one| is_refusal(&one.told));
    match refused.map(|one| one.ended).max() {
        Some(refused) => checkouts.iter().all(|one| one.ended <= refused),
        None => checkouts.is_empty(),
    }
}

/// What came in is what is left and what was sold, whatever the clients were told.
fn of_the_sums(operations: &[Operation], state: &FinalState) -> Vec<String> {
    let mut brought: BTreeMap<&str, i64> = BTreeMap::new();
    for operation in operations {
        if let (Call::AddStock(id, amount) | Call::AddFunds(id, amount), Reply::Answer { status: 200, .. }) =
            (&operation.call, &operation.told)
        {
            *brought.entry(id).or_default() += amount;
        }
    }
    let mut sold: BTreeMap<&str, i64> = BTreeMap::new();
    let mut spent: BTreeMap<&str, i64> = BTreeMap::new();
    for order in state.orders.values().filter(|order| order.paid) {
        *spent.entry(&order.user).or_default() += order.total;
        for (item, pieces) in &order.lines {
            *sold.entry(item).or_default() += pieces;
        }
    }
    let off = |what: &str, all: &BTreeMap<String, (i64, i64)>, gone: &BTreeMap<&str, i64>| -> Vec<String> {
        all.iter()
            .filter_map(|(id, (came_in, left))| {
                let gone = gone.get(id.as_str()).unwrap_or(&0);
                let came_in = &(came_in + brought.get(id.as_str()).unwrap_or(&0));
                (left + gone != *came_in)
                    .then(|| format!("{what} {id}: {came_in} came in, {gone} were sold or spent, and {left} are left"))
            })
            .collect()
    };
    [off("item", &state.items, &sold), off("user", &state.users, &spent)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(begun: u64, ended: u64, call: Call, told: Reply) -> Operation {
        let (begun, ended) = (Duration::from_millis(begun), Duration::from_millis(ended));
        Operation {
            client: 0,
            replica: 0,
            begun,
            ended,
            patience: Duration::from_secs(6),
            call,
            named: None,
            told,
        }
    }

    fn checkout(begun: u64, ended: u64, status: u16) -> Operation {
        let says = Content::Text(String::new());
        at(begun, ended, Call::Checkout("o".into()), Reply::Answer { status, says })
    }

    fn unheard(begun: u64, ended: u64) -> Operation {
        at(begun, ended, Call::Checkout("o".into()), Reply::Nothing)
    }

    fn found(begun: u64, ended: u64, paid: bool) -> Operation {
        let says = Content::Paid(paid);
        at(
            begun,
            ended,
            Call::FindOrder("o".into()),
            Reply::Answer { status: 200, says },
        )
    }

    /// One order of two pieces at 3.
    fn state(paid: bool) -> FinalState {
        let order = FinalOrder {
            paid,
            user: "u".into(),
            lines: vec![("i".into(), 2)],
            total: 6,
        };
        let gone = i64::from(paid);
        FinalState {
            orders: BTreeMap::from([("o".into(), order)]),
            items: BTreeMap::from([("i".into(), (10, 10 - 2 * gone))]),
            users: BTreeMap::from([("u".into(), (50, 50 - 6 * gone))]),
        }
    }

    fn are(operations: &[Operation], state: &FinalState, expected: &[&str]) {
        let violations = violations(operations, state);
        assert_eq!(violations.len(), expected.len(), "{violations:#?}");
        for (violation, expected) in violations.iter().zip(expected) {
            assert!(violation.contains(expected), "{violation}");
        }
    }

    #[test]
    fn what_is_promised_is_no_violation() {
        are(
            &[checkout(0, 9, 200), checkout(10, 19, 200), found(20, 21, true)],
            &state(true),
            &[],
        );
        are(&[checkout(0, 9, 409), found(20, 21, false)], &state(false), &[]);
        are(&[checkout(0, 9, 409), checkout(10, 19, 200)], &state(true), &[]);
        are(&[checkout(0, 9, 503)], &state(true), &[]);
        are(&[checkout(0, 9, 503)], &state(false), &[]);
        // It may arrive after the refusal.
        are(&[unheard(0, 5), checkout(6, 9, 409)], &state(true), &[]);
        // They overlap, so either may have been first.
        are(&[checkout(0, 20, 200), checkout(5, 10, 409)], &state(true), &[]);
        are(&[found(0, 10, false), checkout(0, 5, 200)], &state(true), &[]);
        are(&[checkout(0, 9, 429)], &state(false), &[]);
    }

    #[test]
    fn every_broken_promise_is_a_violation() {
        are(
            &[checkout(0, 9, 200)],
            &state(false),
            &["was told to be paid, and is not"],
        );
        are(
            &[found(0, 9, true)],
            &state(false),
            &["was told to be paid, and is not"],
        );
        are(
            &[checkout(0, 9, 200), checkout(10, 19, 409)],
            &state(true),
            &["then told not to be", "every checkout of it was refused"],
        );
        are(
            &[checkout(0, 9, 200), found(10, 19, false)],
            &state(true),
            &["then told not to be"],
        );
        are(
            &[checkout(0, 9, 402)],
            &state(true),
            &["every checkout of it was refused"],
        );
        are(
            &[checkout(0, 5, 503), checkout(6, 9, 409)],
            &state(true),
            &["every checkout of it was refused"],
        );
        are(
            &[found(0, 5, false)],
            &state(true),
            &["every checkout of it was refused"],
        );
        are(&[checkout(0, 9, 500)], &state(false), &["an impossible answer"]);
        let says = Content::Left(-1);
        let read = at(0, 1, Call::FindItem("i".into()), Reply::Answer { status: 200, says });
        are(&[read], &state(false), &["an impossible answer"]);
        are(&[checkout(0, 9, 200)], &FinalState::default(), &["was lost"]);
    }

    #[test]
    fn lines_that_were_lost_or_added_twice_are_violations() {
        let says = || Content::Text(String::new());
        let answered = |status| Reply::Answer { status, says: says() };
        let add = |told| at(0, 9, Call::AddItem("o".into()), told);
        are(&[add(answered(200))], &state(false), &[]);
        are(&[add(answered(503))], &state(false), &[]);
        are(&[add(answered(200)), add(Reply::Nothing)], &state(false), &[]);
        are(&[add(answered(200)), add(answered(409))], &state(false), &[]);
        are(
            &[add(answered(200)), add(answered(200))],
            &state(false),
            &["has 1 lines"],
        );
        are(&[add(answered(429))], &state(false), &["has 1 lines"]);
    }

    #[test]
    fn sums_that_are_off_are_violations() {
        let mut off = state(true);
        off.items.insert("i".into(), (10, 9));
        off.users.insert("u".into(), (50, 38));
        are(&[checkout(0, 9, 200)], &off, &["item i", "user u"]);
    }
}
