//! The checkout saga, checked in every state that it can reach within bounds.
//!
//! One order with a piece of each of two items, which live in two partitions, and a user with credit for it. The
//! client checks it out up to twice; every order process may take it over at any time. What is atomic in the model
//! is one decision at one record, or one step of a driver that nobody else can see.
//!
//! ```text
//! actions.rs        what may happen next, and what comes of it
//! driver.rs         the control flow of a drive
//! leases.rs         a model of its own: when somebody takes over
//! participants.rs   the decisions of stock and payment
//! properties.rs     what must hold, and what must be possible
//! protocol.rs       the rules, the scenario, the state
//! ```
//!
//! **The network** keeps every request: it may arrive any number of times, at any time, or never. So do answers, as
//! long as their driver waits for them. Whoever has a next step may never take it; this is a crash, or a sleep.
//!
//! **Time.** A drive is heard by the participants for a quarter of an hour. A tombstone lasts an hour from when it
//! was last written, a settled hold an hour from its settling. The model has no clock, but what follows from these
//! numbers: drives grow old in the order in which they began, and a record outlives every drive that began before it
//! was written, or while such a drive was heard, or while one of those was heard. For up to four drives this leaves
//! out nothing that can happen: each drive of such a chain begins at most 15 minutes after the one before, so the third
//! one after that which wrote is too old 60 minutes after the writing. A chain is an *era*. A drive that begins in a
//! later era may still find the record, which may then expire at any moment of that drive.
//!
//! **Losses.** Order's store may lose what it answered since before the last begin, as a failover does; the same saga's name is
//! then begun for something else, while the first one's driver may still be at work. What the lost saga holds may stay
//! for ever, for a person to look at; but nothing is taken for another's, or given back from it.
//!
//! **Left out**: rival orders, but for what they do to stock and credit (where these *vary*); more than one piece,
//! and what the amounts are; items and users that are gone, which are refused like a lack; the engine, whose
//! commands are atomic here and whose answers may be lost; the leases, because a take-over may come at any time: that
//! the drivers do not overtake each other for ever is [`leases`]' matter.

mod actions;
mod driver;
mod leases;
mod participants;
mod properties;
mod protocol;

use std::collections::BTreeSet;

use stateright::{Checker, CheckerBuilder, HasDiscoveries, Model};

use self::{
    properties::{BOOKS, CAN_BE_FINISHED, HELD_FOR_ITS_OWN, PAID_IS_HELD, REJECTED_HOLDS_NOTHING},
    protocol::{Checkout, Rule, Rules, Scenario},
};

/// Stock and credit suffice.
const SUFFICIENT: Scenario = Scenario {
    varies: [false, false, false],
    attempts: 2,
    drives: 3,
    time: true,
    loses: false,
};
/// The second item is sometimes sold out.
const STOCK_VARIES: Scenario = Scenario {
    varies: [false, true, false],
    ..SUFFICIENT
};
/// Order's store loses writes that it has answered.
const LOSES: Scenario = Scenario {
    time: false,
    loses: true,
    ..SUFFICIENT
};
/// The user's credit does not always suffice.
const CREDIT_VARIES: Scenario = Scenario {
    varies: [false, false, true],
    ..SUFFICIENT
};

fn checker(rules: Rules, scenario: Scenario) -> CheckerBuilder<Checkout> {
    Checkout { rules, scenario }.checker().threads(2)
}

/// Visits every state within the bounds: each is as it must be, and nothing that must be possible is missing.
#[track_caller]
fn holds(rules: Rules, scenario: Scenario) {
    let checker = checker(rules, scenario).spawn_bfs().join();
    assert!(checker.is_done(), "the whole space is explored");
    println!(
        "{scenario:?}: {} states, {} deep",
        checker.unique_state_count(),
        checker.max_depth()
    );
    checker.assert_properties();
}

/// Finds a way to break `property` if `rule` is not kept.
#[track_caller]
fn matters(rules: Rules, rule: Rule, scenario: Scenario, property: &'static str) {
    assert!(rules.have(rule), "nothing is removed");
    let found = HasDiscoveries::AnyOf(BTreeSet::from([property]));
    let checker = checker(rules.without(rule), scenario)
        .finish_when(found)
        .spawn_bfs()
        .join();
    let path = checker.assert_any_discovery(property);
    println!(
        "without {rule:?}: {property}: not so after {} states",
        checker.unique_state_count()
    );
    for action in path.into_actions() {
        println!("  {action:?}");
    }
}

#[test]
fn the_protocol_holds_where_stock_and_credit_suffice() {
    holds(Rules::protocol(), SUFFICIENT);
}

#[test]
fn the_protocol_holds_where_stock_varies() {
    holds(Rules::protocol(), STOCK_VARIES);
}

#[test]
fn the_protocol_holds_where_credit_varies() {
    holds(
        Rules::protocol(),
        Scenario {
            drives: 2,
            ..CREDIT_VARIES
        },
    );
}

#[test]
#[ignore = "minutes, and gigabytes: larger bounds than every run needs"]
fn the_protocol_holds_for_three_drives_where_credit_varies() {
    holds(Rules::protocol(), CREDIT_VARIES);
}

#[test]
fn the_protocol_holds_where_both_vary() {
    let scenario = Scenario {
        varies: [false, true, true],
        time: false,
        ..SUFFICIENT
    };
    holds(Rules::protocol(), scenario);
}

#[test]
#[ignore = "a minute: larger bounds than every run needs"]
fn the_protocol_holds_for_four_drives() {
    let scenario = Scenario {
        drives: 4,
        time: false,
        ..STOCK_VARIES
    };
    holds(Rules::protocol(), scenario);
}

#[test]
fn the_protocol_holds_where_orders_store_loses_writes() {
    holds(Rules::protocol(), LOSES);
}

/// The name of a saga comes twice, for something else: participants that do not compare take the first one's holds for
/// the second one's, and sell once what is paid for twice.
#[test]
fn without_comparing_what_it_is_about_a_lost_sagas_holds_are_taken_for_anothers() {
    matters(Rules::protocol(), Rule::Contents, LOSES, HELD_FOR_ITS_OWN);
}

/// The first one's driver goes on after the loss, and pays the second one.
#[test]
fn without_comparing_it_in_the_orders_record_a_lost_sagas_driver_pays_another() {
    matters(Rules::protocol(), Rule::ContentsInOrder, LOSES, HELD_FOR_ITS_OWN);
}

#[test]
fn without_tombstones_a_late_reserve_holds_for_nobody() {
    matters(Rules::protocol(), Rule::Tombstones, SUFFICIENT, REJECTED_HOLDS_NOTHING);
}

#[test]
fn without_sticky_refusals_a_repeated_reserve_or_charge_holds_for_nobody() {
    matters(
        Rules::protocol(),
        Rule::StickyRefusals,
        STOCK_VARIES,
        REJECTED_HOLDS_NOTHING,
    );
    matters(
        Rules::protocol(),
        Rule::StickyRefusals,
        CREDIT_VARIES,
        REJECTED_HOLDS_NOTHING,
    );
}

#[test]
fn without_idempotence_a_repeated_reserve_loses_pieces() {
    matters(Rules::protocol(), Rule::Idempotence, SUFFICIENT, BOOKS);
}

/// The driver that cancels is the only one of its epoch, and pays no more; so the comparison with the epoch and the one
/// with the status are two locks on one door. Each alone keeps it shut.
#[test]
fn without_the_compare_and_set_a_cancelled_saga_is_paid() {
    holds(Rules::protocol().without(Rule::Status), STOCK_VARIES);
    holds(Rules::protocol().without(Rule::Epoch), SUFFICIENT);
    matters(
        Rules::protocol().without(Rule::Epoch),
        Rule::Status,
        SUFFICIENT,
        PAID_IS_HELD,
    );
}

/// The first driver sleeps with a refusal in hand until the tombstones have expired; another one reserves anew, and
/// the first one says that the saga is rejected. A short deadline leaves no time for it, but the epoch does not lean
/// on a deadline.
#[test]
fn without_the_epoch_a_sleeper_rejects_what_another_drives() {
    matters(Rules::any_deadline(), Rule::Epoch, STOCK_VARIES, REJECTED_HOLDS_NOTHING);
    matters(
        Rules::any_deadline(),
        Rule::Epoch,
        CREDIT_VARIES,
        REJECTED_HOLDS_NOTHING,
    );
}

#[test]
fn without_the_age_of_drives_an_old_reserve_holds_for_nobody() {
    matters(Rules::protocol(), Rule::DriveAge, STOCK_VARIES, REJECTED_HOLDS_NOTHING);
}

/// A driver of a later era is refused by a tombstone that expires while a second copy of its reserve is under way:
/// the copy is granted, and stock's undoing of the first one takes the granted line from the paid order.
#[test]
fn without_a_short_deadline_a_tombstone_expires_under_a_driver() {
    matters(Rules::protocol(), Rule::ShortDeadline, STOCK_VARIES, PAID_IS_HELD);
}

/// With any deadline, tombstones would have to be renewed whenever they are met, and stock would have to ask for the
/// age of a drive twice.
#[test]
fn a_short_deadline_is_the_simplest_way() {
    holds(Rules::any_deadline(), STOCK_VARIES);
    matters(Rules::any_deadline(), Rule::RefusalsRenewed, STOCK_VARIES, PAID_IS_HELD);
    matters(
        Rules::any_deadline(),
        Rule::UndoingsRenewed,
        STOCK_VARIES,
        REJECTED_HOLDS_NOTHING,
    );
    matters(Rules::any_deadline(), Rule::DriveAgeInStock, STOCK_VARIES, PAID_IS_HELD);
}

#[test]
fn without_all_or_none_a_refused_reserve_holds_the_other_line() {
    matters(Rules::protocol(), Rule::AllOrNone, STOCK_VARIES, REJECTED_HOLDS_NOTHING);
}

#[test]
fn what_is_settled_before_it_is_paid_can_never_be_given_back() {
    matters(Rules::protocol(), Rule::SettleOnlyPaid, SUFFICIENT, CAN_BE_FINISHED);
}

/// A refusal leaves tombstones at every line, or at payment. These make the short way safe, whoever asked, and
/// however often.
#[test]
fn cleanliness_is_implied_by_the_other_rules() {
    holds(Rules::protocol().without(Rule::Cleanliness), STOCK_VARIES);
}

/// No release of a paid saga is ever heard: to send one, a driver has to set the record to `cancelling`, or to have
/// been refused, and tombstones outlive its requests.
#[test]
fn that_settled_holds_stay_is_implied_by_the_other_rules() {
    holds(Rules::protocol().without(Rule::SettledStays), STOCK_VARIES);
}
