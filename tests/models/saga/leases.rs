//! Leases: whatever the pace of the drives, one of them comes to an end.
//!
//! The [`saga`](super)'s model lets a take-over come at any time, so it says nothing about when one does. This one has
//! a clock, and nothing else of a saga than who drives it: a drive that is not overtaken ends it. Drives take longer
//! than the first lease, some of their drivers die, and recovery takes a saga over at any time after its lease is over.
//!
//! That a saga is finished *in the end* is checked as a bound on how many drivers it needs.

use std::collections::BTreeSet;

use stateright::{Checker, HasDiscoveries, Model, Property};

/// The first lease, in ticks of the clock.
const FIRST_LEASE: u8 = 1;
/// What no lease grows beyond.
const LONGEST_LEASE: u8 = 16;
/// How many ticks a drive may take. It takes at least one.
const SLOWEST_DRIVE: u8 = 6;
/// How many drivers may die.
const DEATHS: u8 = 2;
/// The driver, counted from 0, whose lease outlasts the slowest drive: 1, 2, 4 and 8 ticks.
const ENOUGH: u8 = 3;

const FINISHED_AT_LAST: &str = "a saga needs few drivers, and as many more as have died";
const OVERTAKEN: &str = "a driver that lives is overtaken";
const FINISHED: &str = "a saga is finished";

/// Who drives a saga, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    /// The present driver's number.
    epoch: u8,
    /// How long ago it took the saga.
    since: u8,
    /// Whether it lives. Those that were overtaken can change nothing, so they are left out.
    lives: bool,
    deaths: u8,
    finished: bool,
    /// Ghost: whether a driver was overtaken while it lived.
    overtaken: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    /// Time passes. A driver that lives has come to an end when the slowest would have.
    Tick,
    /// The driver dies.
    Die,
    /// The driver's last step reaches the order's record.
    Finish,
    /// Somebody finds that the lease is over.
    TakeOver,
}

struct Leases {
    /// The rule: each driver's lease is twice as long as the one's before.
    grow: bool,
}

impl Leases {
    fn lease(&self, epoch: u8) -> u8 {
        let doublings = if self.grow { u32::from(epoch) } else { 0 };
        FIRST_LEASE
            .saturating_mul(2_u8.saturating_pow(doublings))
            .min(LONGEST_LEASE)
    }
}

impl Model for Leases {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            epoch: 0,
            since: 0,
            lives: true,
            deaths: 0,
            finished: false,
            overtaken: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.finished {
            return;
        }
        // Recovery may be late, but not for ever: time stops for it.
        let slowest = SLOWEST_DRIVE.max(self.lease(state.epoch));
        if state.since < slowest && !(state.lives && state.since >= SLOWEST_DRIVE) {
            actions.push(Action::Tick);
        }
        if state.lives && state.since > 0 {
            actions.push(Action::Finish);
        }
        if state.lives && state.deaths < DEATHS {
            actions.push(Action::Die);
        }
        if state.since >= self.lease(state.epoch) {
            actions.push(Action::TakeOver);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Tick => state.since += 1,
            Action::Die => {
                state.lives = false;
                state.deaths += 1;
            }
            Action::Finish => state.finished = true,
            Action::TakeOver => {
                state.overtaken |= state.lives;
                state.epoch += 1;
                state.since = 0;
                state.lives = true;
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(FINISHED_AT_LAST, |_, state: &State| {
                state.epoch <= ENOUGH + state.deaths
            }),
            Property::sometimes(OVERTAKEN, |_, state: &State| state.overtaken),
            Property::sometimes(FINISHED, |_, state: &State| state.finished && state.epoch == ENOUGH),
        ]
    }
}

#[test]
fn drives_that_take_longer_than_the_first_lease_come_to_an_end() {
    let checker = Leases { grow: true }.checker().spawn_bfs().join();
    assert!(checker.is_done(), "the whole space is explored");
    checker.assert_properties();
}

#[test]
fn without_leases_that_grow_drivers_overtake_each_other_for_ever() {
    let found = HasDiscoveries::AnyOf(BTreeSet::from([FINISHED_AT_LAST]));
    let checker = Leases { grow: false }.checker().finish_when(found).spawn_bfs().join();
    checker.assert_any_discovery(FINISHED_AT_LAST);
}
