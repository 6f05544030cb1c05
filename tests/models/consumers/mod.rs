//! The consumers of a group, explored exhaustively: one partition, two consumers that may both believe that they own it,
//! crashes and lost answers anywhere. A read whose answer is lost was carried out at once, or never will be.
//!
//! A consumer may stand still for as long as it likes, so its lease may end at any point and it need not notice: it goes
//! on with what it has in hand. That may repeat events, which is promised to nobody. What holds all the same is that
//! nothing is skipped and that a subject's events keep their order. Each other test takes one rule away and finds the
//! promise that breaks.

mod model;

use self::model::{CONSUMER, IN_ORDER, NEVER_SKIPPED, Rules};
use crate::explored::{breaks, holds};

#[test]
fn every_event_is_handled_in_its_subjects_order_or_buried_whoever_dies_or_sleeps() {
    println!("{} states", holds(CONSUMER));
}

#[test]
fn an_entry_that_is_acknowledged_when_it_is_read_is_lost_by_a_crash() {
    let rules = Rules {
        acknowledges_after_the_handler: false,
        ..CONSUMER
    };
    breaks(rules, NEVER_SKIPPED);
}

#[test]
fn a_letter_that_is_written_after_the_acknowledgement_is_lost_by_a_crash() {
    let rules = Rules {
        writes_the_letter_first: false,
        ..CONSUMER
    };
    breaks(rules, NEVER_SKIPPED);
}

#[test]
fn a_subject_whose_events_do_not_wait_for_each_other_loses_its_order() {
    let rules = Rules {
        keeps_subjects_in_order: false,
        ..CONSUMER
    };
    breaks(rules, IN_ORDER);
}

#[test]
fn an_owner_that_begins_with_what_is_new_overtakes_what_a_dead_one_left() {
    let rules = Rules {
        takes_over_first: false,
        ..CONSUMER
    };
    breaks(rules, IN_ORDER);
}

#[test]
fn an_owner_that_forgets_a_broken_read_overtakes_what_it_had_brought() {
    let rules = Rules {
        looks_for_what_a_broken_read_brought: false,
        ..CONSUMER
    };
    breaks(rules, IN_ORDER);
}

#[test]
fn a_former_owner_that_may_still_read_takes_an_event_that_the_new_one_overtakes() {
    let rules = Rules {
        reads_for_the_owner_alone: false,
        ..CONSUMER
    };
    breaks(rules, IN_ORDER);
}

#[test]
fn a_former_owner_that_renews_a_lease_which_ended_does_not_know_what_another_left_since() {
    let rules = Rules {
        renews_only_what_is_its_own: false,
        ..CONSUMER
    };
    breaks(rules, IN_ORDER);
}
