//! A checkout under a key. What is kept is which saga the request began or joined; how that saga ended is looked up: in the
//! order, as long as it is the order's last, and then in a record that is written when the order forgets it.
//!
//! Steps of sagas are no part of this model (`tests/models/saga`): a saga ends somehow.

use stateright::{Model, Property};

/// How many sagas the order may have.
const SAGAS: usize = 3;
/// Two keys; without one, a checkout is asked for as well.
const KEYS: usize = 2;

pub(super) const ONE_SAGA: &str = "under one key, no second saga begins unless the first found no room";
pub(super) const SAME_ANSWER: &str = "whoever repeats a checkout hears the same";
pub(super) const ALWAYS_ANSWERED: &str = "who asked under a key can hear how that saga ended";
const FROM_RECORD: &str = "an end is read that the order has forgotten";
const ANEW: &str = "a checkout that found no room is begun anew";
const JOINED: &str = "a key joins a saga that another one began";

/// What order holds to; a test changes one field of [`CHECKOUT`].
#[expect(clippy::struct_excessive_bools, reason = "each is a rule that is there or not")]
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// The key's record is written in the EXEC that begins the saga.
    pub(super) points_as_it_begins: bool,
    /// A begin writes how the saga before it ended, if a key points to that.
    pub(super) keeps_the_end_at_a_begin: bool,
    /// So does setting the order back.
    pub(super) keeps_the_end_when_set_back: bool,
    /// The order knows that a key points to its saga, also if another request began it.
    pub(super) joining_marks: bool,
    /// A repeat begins anew only if its saga found no room.
    pub(super) begins_anew_only_without_room: bool,
}

pub(super) const CHECKOUT: Rules = Rules {
    points_as_it_begins: true,
    keeps_the_end_at_a_begin: true,
    keeps_the_end_when_set_back: true,
    joining_marks: true,
    begins_anew_only_without_room: true,
};

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is something that a property looks for"
)]
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct State {
    /// How many sagas have begun.
    sagas: usize,
    status: Status,
    /// Whether a key points to the last saga.
    is_marked: bool,
    /// How sagas ended that the order has forgotten.
    ended: [Option<End>; SAGAS],
    /// Which saga each key points to.
    keys: [Option<usize>; KEYS],
    /// A saga began, and the key's record is still to be written. Only without the rule.
    unwritten: Option<usize>,
    /// Ghosts: the first answer under each key, which sagas it began, and what broke.
    heard: [Option<End>; KEYS],
    begun: [Vec<usize>; KEYS],
    ends: [Option<End>; SAGAS],
    differs: bool,
    is_unanswered: bool,
    has_read_a_record: bool,
    has_begun_anew: bool,
    has_joined: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Status {
    #[default]
    Open,
    /// The last saga was rejected so, and nobody has set the order back since.
    Rejected(End),
    UnderWay,
    Paid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum End {
    Paid,
    Rejected,
    NoRoom,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// A request comes, first or again, and the order's record decides.
    Ask(Option<usize>),
    /// The key's record is written at last. Only without the rule.
    Point(usize),
    /// The process dies instead.
    Crash,
    End(End),
    SetBack,
}

impl Model for Rules {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::default()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if let Some(key) = state.unwritten {
            actions.extend([Action::Point(key), Action::Crash]);
            return;
        }
        actions.extend([None, Some(0), Some(1)].map(Action::Ask));
        match state.status {
            Status::UnderWay => actions.extend([End::Paid, End::Rejected, End::NoRoom].map(Action::End)),
            Status::Open | Status::Rejected(_) | Status::Paid => actions.push(Action::SetBack),
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Ask(None) => self.begin(&mut state, None)?,
            Action::Ask(Some(key)) => self.ask(&mut state, key)?,
            Action::Point(key) => {
                state.keys[key] = Some(state.sagas - 1);
                state.is_marked = true;
                state.unwritten = None;
            }
            Action::Crash => state.unwritten = None,
            Action::End(end) => {
                state.ends[state.sagas - 1] = Some(end);
                state.status = match end {
                    End::Paid => Status::Paid,
                    End::Rejected | End::NoRoom => Status::Rejected(end),
                };
            }
            Action::SetBack => {
                // What was sold has a record of its own whether or not a key points to it.
                if state.status == Status::Paid || self.keeps_the_end_when_set_back {
                    state.keep_the_end();
                }
                state.status = Status::Open;
            }
        }
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE_SAGA, |_, state: &State| {
                state.begun.iter().all(|begun| {
                    let earlier = begun.split_last().map_or(&[][..], |(_, earlier)| earlier);
                    earlier.iter().all(|saga| state.ends[*saga] == Some(End::NoRoom))
                })
            }),
            Property::always(SAME_ANSWER, |_, state: &State| !state.differs),
            Property::always(ALWAYS_ANSWERED, |_, state: &State| !state.is_unanswered),
            Property::sometimes(FROM_RECORD, |_, state: &State| state.has_read_a_record),
            Property::sometimes(ANEW, |_, state: &State| state.has_begun_anew),
            Property::sometimes(JOINED, |_, state: &State| state.has_joined),
        ]
    }
}

impl Rules {
    /// A request under a key: begins, joins, or hears how the key's saga ended.
    fn ask(self, state: &mut State, key: usize) -> Option<()> {
        let Some(saga) = state.keys[key] else {
            return self.begin(state, Some(key));
        };
        let Some(end) = state.end_of(saga) else {
            // It waits for the saga, or nobody can tell any more how it ended.
            state.is_unanswered |= state.ends[saga].is_some();
            return Some(());
        };
        if end == End::NoRoom || (!self.begins_anew_only_without_room && end == End::Rejected) {
            // The key is free again, whoever comes next with it.
            state.keys[key] = None;
            state.has_begun_anew = true;
            return Some(());
        }
        state.hear(key, end);
        Some(())
    }

    fn begin(self, state: &mut State, key: Option<usize>) -> Option<()> {
        match state.status {
            // Paid already: that is the answer, and the saga that it is of stays the last.
            Status::Paid => {
                let key = key?;
                state.keys[key] = Some(state.sagas - 1);
                state.hear(key, End::Paid);
            }
            Status::UnderWay => {
                let key = key?;
                state.keys[key] = Some(state.sagas - 1);
                state.is_marked |= self.joining_marks;
                state.has_joined = true;
            }
            Status::Open | Status::Rejected(_) => {
                if state.sagas == SAGAS {
                    return None;
                }
                if self.keeps_the_end_at_a_begin {
                    state.keep_the_end();
                }
                state.status = Status::UnderWay;
                state.is_marked = false;
                state.sagas += 1;
                if let Some(key) = key {
                    state.begun[key].push(state.sagas - 1);
                    if self.points_as_it_begins {
                        state.keys[key] = Some(state.sagas - 1);
                        state.is_marked = true;
                    } else {
                        state.unwritten = Some(key);
                    }
                }
            }
        }
        Some(())
    }
}

impl State {
    /// How a saga ended, as far as the records tell.
    fn end_of(&self, saga: usize) -> Option<End> {
        let last = match self.status {
            Status::Paid => Some(End::Paid),
            Status::Rejected(end) => Some(end),
            Status::Open | Status::UnderWay => None,
        };
        let of_order = last.filter(|_| saga + 1 == self.sagas);
        of_order.or(self.ended[saga])
    }

    /// Writes how the last saga ended, if somebody may ask for it and the order is about to forget it.
    fn keep_the_end(&mut self) {
        match self.status {
            // A sale is kept for ever.
            Status::Paid => self.ended[self.sagas - 1] = Some(End::Paid),
            Status::Rejected(end) if self.is_marked => self.ended[self.sagas - 1] = Some(end),
            Status::Rejected(_) | Status::Open | Status::UnderWay => {}
        }
    }

    fn hear(&mut self, key: usize, end: End) {
        let saga = self.keys[key];
        self.has_read_a_record |= saga.is_some_and(|saga| saga + 1 != self.sagas || self.status == Status::Open);
        self.differs |= self.heard[key].is_some_and(|first| first != end);
        self.heard[key] = Some(end);
    }
}
