//! Requests that are sent again under one key, explored exhaustively: first any command, then the checkout, whose outcome
//! comes later than its beginning. Each test but the two first takes one rule away and finds the promise that breaks.

mod checkout;
mod command;

use self::{
    checkout::CHECKOUT,
    command::{ENGINE, Rules},
};
use crate::explored::{breaks, holds};

#[test]
fn a_repeated_command_moves_once_and_hears_the_same_whatever_is_lost() {
    println!("{} states", holds(ENGINE));
}

#[test]
fn an_outcome_that_is_kept_after_its_effect_lets_a_crash_repeat_it() {
    let rules = Rules {
        keeps_with_the_effect: false,
        ..ENGINE
    };
    breaks(rules, command::ONCE);
}

#[test]
fn a_key_that_is_not_watched_lets_two_processes_do_the_same() {
    let rules = Rules {
        watches_the_key: false,
        ..ENGINE
    };
    breaks(rules, command::ONCE);
}

#[test]
fn a_refusal_that_is_not_kept_is_answered_otherwise_later() {
    let rules = Rules {
        keeps_refusals: false,
        ..ENGINE
    };
    breaks(rules, command::SAME_ANSWER);
}

#[test]
fn a_request_that_is_not_compared_hears_what_another_one_did() {
    let rules = Rules {
        compares_requests: false,
        ..ENGINE
    };
    breaks(rules, command::OWN_ANSWER);
}

#[test]
fn an_outcome_that_is_forgotten_before_its_last_repeat_is_made_again() {
    let rules = Rules {
        outlives_repeats: false,
        ..ENGINE
    };
    breaks(rules, command::ONCE);
}

#[test]
fn a_repeated_checkout_hears_how_its_own_saga_ended() {
    println!("{} states", holds(CHECKOUT));
}

#[test]
fn a_key_that_is_written_after_the_saga_began_begins_another_one() {
    let rules = checkout::Rules {
        points_as_it_begins: false,
        ..CHECKOUT
    };
    breaks(rules, checkout::ONE_SAGA);
}

#[test]
fn a_saga_whose_end_is_forgotten_when_the_next_begins_leaves_its_key_without_an_answer() {
    let rules = checkout::Rules {
        keeps_the_end_at_a_begin: false,
        ..CHECKOUT
    };
    breaks(rules, checkout::ALWAYS_ANSWERED);
}

#[test]
fn a_saga_whose_end_is_forgotten_when_the_order_is_set_back_leaves_its_key_without_an_answer() {
    let rules = checkout::Rules {
        keeps_the_end_when_set_back: false,
        ..CHECKOUT
    };
    breaks(rules, checkout::ALWAYS_ANSWERED);
}

#[test]
fn a_key_that_joins_a_saga_unseen_is_left_without_an_answer() {
    let rules = checkout::Rules {
        joining_marks: false,
        ..CHECKOUT
    };
    breaks(rules, checkout::ALWAYS_ANSWERED);
}

#[test]
fn a_repeat_that_begins_anew_whatever_the_end_was_checks_out_twice() {
    let rules = checkout::Rules {
        begins_anew_only_without_room: false,
        ..CHECKOUT
    };
    breaks(rules, checkout::ONE_SAGA);
}
