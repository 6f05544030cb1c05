//! How old a command may be, explored exhaustively: a participant's machine may sleep anywhere, for as long as it likes.
//!
//! One saga's reserve and its release reach one participant. The release leaves a tombstone, which Redis forgets after
//! a while; from then on nothing but its age keeps a late reserve from holding pieces for nobody. The reserve says
//! until when, by the store's clock, it may be decided (`Command::validity`), and a tombstone is kept for longer than
//! any reserve is valid.
//!
//! Time goes on in ticks of the store's clock, between any two steps: that is what a machine that sleeps looks like
//! from outside. Each other test takes one rule away and finds the pieces that nobody gives back.

use stateright::{Model, Property};

use crate::explored::{breaks, holds};

/// The last tick at which the reserve may be decided.
const VALID_UNTIL: u8 = 1;
/// How many ticks a tombstone is kept.
const KEPT: u8 = 3;
/// When the clock stops: late enough for the last tombstone to be gone.
const END: u8 = 8;

const NOTHING_LEFT_HELD: &str = "what is reserved after the release does not exist";
const RESERVED: &str = "a reserve in time is in force";
const TOO_LATE: &str = "a reserve is refused for its age alone";

#[derive(Clone, Copy, Debug)]
struct Rules {
    compared: Compared,
    /// EXEC watches the record that was read.
    watches: bool,
}

/// When the reserve's age is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compared {
    /// The engine: with the time that was read together with the records.
    AtLoad,
    /// As the request comes in.
    AtArrival,
}

const ENGINE: Rules = Rules {
    compared: Compared::AtLoad,
    watches: true,
};

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct State {
    now: u8,
    record: Record,
    /// The record has changed since it was watched.
    touched: bool,
    is_released: bool,
    reserve: Reserve,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Record {
    #[default]
    Absent,
    Held,
    Tombstone {
        gone_at: u8,
    },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Reserve {
    #[default]
    UnderWay,
    /// Taken by the participant, and waiting in its lane.
    Waiting,
    /// Decided: pieces are to be held.
    Decided,
    InForce,
    Refused {
        for_its_age: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Tick,
    Release,
    Arrive,
    Load,
    Exec,
}

impl Model for Rules {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::default()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.now < END {
            actions.push(Action::Tick);
        }
        if !state.is_released {
            actions.push(Action::Release);
        }
        match state.reserve {
            Reserve::UnderWay => actions.push(Action::Arrive),
            Reserve::Waiting => actions.push(Action::Load),
            Reserve::Decided => actions.push(Action::Exec),
            Reserve::InForce | Reserve::Refused { .. } => {}
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        let is_old = state.now > VALID_UNTIL;
        match action {
            Action::Tick => state.tick(),
            Action::Release => {
                let gone_at = state.now + KEPT;
                state.is_released = true;
                state.write(Record::Tombstone { gone_at });
            }
            Action::Arrive if self.compared == Compared::AtArrival && is_old => state.refuse(true),
            Action::Arrive => state.reserve = Reserve::Waiting,
            Action::Load if self.compared == Compared::AtLoad && is_old => state.refuse(true),
            Action::Load => {
                state.touched = false;
                match state.record {
                    Record::Absent => state.reserve = Reserve::Decided,
                    Record::Held | Record::Tombstone { .. } => state.refuse(false),
                }
            }
            Action::Exec if state.touched && self.watches => state.reserve = Reserve::Waiting,
            Action::Exec => {
                state.reserve = Reserve::InForce;
                state.write(Record::Held);
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(NOTHING_LEFT_HELD, |_, state: &State| {
                !(state.is_released && state.record == Record::Held)
            }),
            Property::sometimes(RESERVED, |_, state: &State| state.record == Record::Held),
            Property::sometimes(TOO_LATE, |_, state: &State| {
                state.reserve == Reserve::Refused { for_its_age: true }
            }),
        ]
    }
}

impl State {
    fn tick(&mut self) {
        self.now += 1;
        if matches!(self.record, Record::Tombstone { gone_at } if gone_at <= self.now) {
            self.write(Record::Absent);
        }
    }

    fn write(&mut self, record: Record) {
        self.record = record;
        self.touched = true;
    }

    fn refuse(&mut self, for_its_age: bool) {
        self.reserve = Reserve::Refused { for_its_age };
    }
}

#[test]
fn a_machine_that_sleeps_leaves_nothing_held() {
    holds(ENGINE);
}

#[test]
fn an_age_that_is_compared_before_the_machine_sleeps_leaves_pieces_held_for_nobody() {
    breaks(
        Rules {
            compared: Compared::AtArrival,
            ..ENGINE
        },
        NOTHING_LEFT_HELD,
    );
}

#[test]
fn an_age_without_a_watch_leaves_pieces_held_for_nobody() {
    breaks(
        Rules {
            watches: false,
            ..ENGINE
        },
        NOTHING_LEFT_HELD,
    );
}
