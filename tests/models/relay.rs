//! The relay, explored exhaustively: entries of one outbox, two relays that both believe that they have the lease, crashes
//! and lost answers anywhere.
//!
//! A lease is advice (its clock may stand still with its machine), so it is no part of the model: both relays work at
//! any time. What keeps them apart is that the cursor is watched. Each other test takes one rule away and finds the entry
//! that comes twice, in the wrong place, or never.

use stateright::{Model, Property};

use crate::explored::{breaks, holds};

/// How many entries the service emits.
const ENTRIES: u8 = 3;
const RELAYS: usize = 2;

const IN_ORDER: &str = "the bus has each entry once and in order";
const NOWHERE: &str = "no entry is nowhere";
const ALL_MOVED: &str = "every entry can come to the bus";
const OVERTAKEN: &str = "a relay is overtaken";

#[derive(Clone, Copy, Debug)]
struct Rules {
    /// EXEC comes to nothing if the cursor has changed since it was read.
    watches: bool,
    /// The entries and the cursor change in one transaction.
    moves_cursor_with_entries: bool,
    /// What was moved is removed once EXEC was answered, and not before.
    trims_what_is_confirmed: bool,
}

const RELAY: Rules = Rules {
    watches: true,
    moves_cursor_with_entries: true,
    trims_what_is_confirmed: true,
};

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct State {
    /// The last entry that was emitted, and the last one that was removed.
    emitted: u8,
    trimmed: u8,
    topic: Vec<u8>,
    cursor: u8,
    /// Counts the changes of the cursor.
    version: u8,
    relays: [Relay; RELAYS],
    was_overtaken: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Relay {
    #[default]
    Idle,
    /// It has watched and read the cursor.
    Watching { cursor: u8, version: u8 },
    /// It has read the entries behind the cursor, up to this one.
    Holding { cursor: u8, version: u8, last: u8 },
    /// The entries are on the bus; the cursor is not moved yet. Only without the rule.
    Appended { last: u8 },
    /// EXEC was answered.
    Confirmed { last: u8 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Emit,
    Watch(usize),
    Read(usize),
    Exec(usize),
    /// EXEC is done, and its answer is lost with the connection.
    ExecUnheard(usize),
    MoveCursor(usize),
    Trim(usize),
    Crash(usize),
}

impl Model for Rules {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::default()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.emitted < ENTRIES {
            actions.push(Action::Emit);
        }
        for (number, relay) in state.relays.iter().enumerate() {
            match relay {
                Relay::Idle => actions.push(Action::Watch(number)),
                Relay::Watching { .. } => actions.push(Action::Read(number)),
                Relay::Holding { .. } => actions.extend([Action::Exec(number), Action::ExecUnheard(number)]),
                Relay::Appended { .. } => actions.push(Action::MoveCursor(number)),
                Relay::Confirmed { .. } => actions.push(Action::Trim(number)),
            }
            if !self.trims_what_is_confirmed && matches!(relay, Relay::Holding { .. }) {
                actions.push(Action::Trim(number));
            }
            if *relay != Relay::Idle {
                actions.push(Action::Crash(number));
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Emit => state.emitted += 1,
            Action::Watch(number) => {
                state.relays[number] = Relay::Watching {
                    cursor: state.cursor,
                    version: state.version,
                };
            }
            Action::Read(number) => {
                let Relay::Watching { cursor, version } = state.relays[number] else {
                    return None;
                };
                let last = state.emitted;
                if last <= cursor {
                    return None;
                }
                state.relays[number] = Relay::Holding { cursor, version, last };
            }
            Action::Exec(number) => self.exec(&mut state, number)?,
            Action::ExecUnheard(number) => {
                self.exec(&mut state, number)?;
                state.relays[number] = Relay::Idle;
            }
            Action::MoveCursor(number) => {
                let Relay::Appended { last } = state.relays[number] else {
                    return None;
                };
                state.move_cursor(last);
                state.relays[number] = Relay::Confirmed { last };
            }
            Action::Trim(number) => {
                let (Relay::Confirmed { last } | Relay::Holding { last, .. }) = state.relays[number] else {
                    return None;
                };
                state.trimmed = state.trimmed.max(last);
                if matches!(state.relays[number], Relay::Confirmed { .. }) {
                    state.relays[number] = Relay::Idle;
                }
            }
            Action::Crash(number) => state.relays[number] = Relay::Idle,
        }
        (state != *last).then_some(state)
    }

    /// Without a rule, entries may come again for ever.
    fn within_boundary(&self, state: &State) -> bool {
        state.topic.len() <= 2 * usize::from(ENTRIES)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(IN_ORDER, |_, state: &State| {
                state.topic.iter().copied().eq((1..).take(state.topic.len()))
            }),
            Property::always(NOWHERE, |_, state: &State| {
                (1..=state.trimmed).all(|entry| state.topic.contains(&entry))
            }),
            Property::sometimes(ALL_MOVED, |_, state: &State| {
                state.topic.len() == usize::from(ENTRIES) && state.trimmed == ENTRIES
            }),
            Property::sometimes(OVERTAKEN, |_, state: &State| state.was_overtaken),
        ]
    }
}

impl Rules {
    fn exec(self, state: &mut State, number: usize) -> Option<()> {
        let Relay::Holding { cursor, version, last } = state.relays[number] else {
            return None;
        };
        if self.watches && state.version != version {
            state.was_overtaken = true;
            state.relays[number] = Relay::Idle;
            return Some(());
        }
        // What was removed since it was read is still in the relay's hands.
        state.topic.extend(cursor + 1..=last);
        if self.moves_cursor_with_entries {
            state.move_cursor(last);
            state.relays[number] = Relay::Confirmed { last };
        } else {
            state.relays[number] = Relay::Appended { last };
        }
        Some(())
    }
}

impl State {
    fn move_cursor(&mut self, last: u8) {
        self.cursor = last;
        self.version += 1;
    }
}

#[test]
fn each_entry_comes_to_the_bus_once_and_in_order_whatever_crashes() {
    holds(RELAY);
}

#[test]
fn a_cursor_that_is_not_watched_lets_two_relays_move_an_entry_twice() {
    breaks(
        Rules {
            watches: false,
            ..RELAY
        },
        IN_ORDER,
    );
}

#[test]
fn a_cursor_that_moves_after_the_entries_lets_a_crash_repeat_them() {
    breaks(
        Rules {
            moves_cursor_with_entries: false,
            ..RELAY
        },
        IN_ORDER,
    );
}

#[test]
fn an_outbox_that_is_trimmed_before_exec_was_answered_loses_entries() {
    breaks(
        Rules {
            trims_what_is_confirmed: false,
            ..RELAY
        },
        NOWHERE,
    );
}
