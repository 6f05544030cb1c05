//! A command under a key: what `engine/src/idempotency.rs` promises, whatever the command is.
//!
//! The command makes something new while that is allowed, and is refused otherwise. Two requests share no record but the
//! key's, so nothing else keeps them apart. What the engine's lanes promise is taken for granted here: an EXEC happens
//! once or never (`tests/models/engine`).

use stateright::{Model, Property};

/// How many requests come under the key. The last one asks for something else.
const REQUESTS: usize = 3;
/// How often it may become allowed or forbidden.
const TURNS: u8 = 2;

pub(super) const ONCE: &str = "requests under one key make one thing";
pub(super) const SAME_ANSWER: &str = "whoever repeats a request hears the same";
pub(super) const OWN_ANSWER: &str = "nobody hears what another request did";
const REPEATED: &str = "a repeat hears what was kept";
const UNHEARD: &str = "what nobody heard of is heard by a repeat";
const CLASH: &str = "two processes decide at once";

/// What the engine holds to; a test changes one field of [`ENGINE`].
#[expect(clippy::struct_excessive_bools, reason = "each is a rule that is there or not")]
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// The outcome is written in the EXEC that makes the effect.
    pub(super) keeps_with_the_effect: bool,
    /// EXEC comes to nothing if the key's record has changed since it was read.
    pub(super) watches_the_key: bool,
    /// A refusal is an outcome, too.
    pub(super) keeps_refusals: bool,
    /// A kept outcome is given only to the request that it is of.
    pub(super) compares_requests: bool,
    /// The record is kept for longer than anybody repeats the request.
    pub(super) outlives_repeats: bool,
}

pub(super) const ENGINE: Rules = Rules {
    keeps_with_the_effect: true,
    watches_the_key: true,
    keeps_refusals: true,
    compares_requests: true,
    outlives_repeats: true,
};

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is something that a property looks for"
)]
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct State {
    forbidden: bool,
    turns: u8,
    /// Changes with `forbidden`, and with the key's record.
    versions: [u8; 2],
    /// How many things were made by whom: the request that is repeated, and the other one.
    made: [u8; 2],
    kept: Option<Kept>,
    requests: [Phase; REQUESTS],
    was_unheard: bool,
    has_clashed: bool,
    has_repeated: bool,
    has_heard_the_unheard: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Kept {
    by: usize,
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Outcome {
    /// The number of the thing among all.
    Made(u8),
    Refused,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Phase {
    #[default]
    Unsent,
    Sent,
    /// What the lane has read: whether it is forbidden, what is kept, and the versions.
    Loaded {
        forbidden: bool,
        kept: Option<Kept>,
        versions: [u8; 2],
    },
    /// The effect is in force, and the outcome is not kept yet. Only without the rule.
    Unkept(Outcome),
    Answered(Outcome),
    /// The key is another request's.
    Reused,
    /// Nobody answers any more.
    Unanswered,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Turn,
    Send(usize),
    Load(usize),
    Exec(usize),
    /// EXEC is done, and its answer is lost, or the process dies.
    ExecUnheard(usize),
    Keep(usize),
    Crash(usize),
    Expire,
}

/// What a request asks for: all the same, but for the last.
fn asks(request: usize) -> usize {
    usize::from(request + 1 == REQUESTS)
}

impl Model for Rules {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::default()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.turns < TURNS {
            actions.push(Action::Turn);
        }
        for (number, phase) in state.requests.iter().enumerate() {
            match phase {
                Phase::Unsent => actions.push(Action::Send(number)),
                Phase::Sent => actions.extend([Action::Load(number), Action::Crash(number)]),
                Phase::Loaded { .. } => {
                    actions.extend([Action::Exec(number), Action::ExecUnheard(number), Action::Crash(number)]);
                }
                Phase::Unkept(_) => actions.extend([Action::Keep(number), Action::Crash(number)]),
                Phase::Answered(_) | Phase::Reused | Phase::Unanswered => {}
            }
        }
        let is_over = || {
            let mut phases = state.requests.iter();
            phases.all(|phase| matches!(phase, Phase::Answered(_) | Phase::Reused | Phase::Unanswered))
        };
        if state.kept.is_some() && (!self.outlives_repeats || is_over()) {
            actions.push(Action::Expire);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Turn => {
                state.forbidden = !state.forbidden;
                state.turns += 1;
                state.versions[0] += 1;
            }
            Action::Send(number) => state.requests[number] = Phase::Sent,
            Action::Load(number) => {
                state.requests[number] = Phase::Loaded {
                    forbidden: state.forbidden,
                    kept: state.kept,
                    versions: state.versions,
                };
            }
            Action::Exec(number) => self.exec(&mut state, number, true)?,
            Action::ExecUnheard(number) => self.exec(&mut state, number, false)?,
            Action::Keep(number) => {
                let Phase::Unkept(outcome) = state.requests[number] else {
                    return None;
                };
                state.keep(number, outcome);
                state.requests[number] = Phase::Answered(outcome);
            }
            Action::Crash(number) => state.requests[number] = Phase::Unanswered,
            Action::Expire => {
                state.kept = None;
                state.versions[1] += 1;
            }
        }
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONCE, |_, state: &State| state.made[0] + state.made[1] <= 1),
            Property::always(SAME_ANSWER, |_, state: &State| {
                let mut answers = state.answers(0);
                let first = answers.next();
                answers.all(|answer| Some(answer) == first)
            }),
            Property::always(OWN_ANSWER, |_, state: &State| {
                let was_made = |asked: usize, outcome| !matches!(outcome, Outcome::Made(_)) || state.made[asked] > 0;
                (0..2).all(|asked| state.answers(asked).all(|outcome| was_made(asked, outcome)))
            }),
            Property::sometimes(REPEATED, |_, state: &State| state.has_repeated),
            Property::sometimes(UNHEARD, |_, state: &State| state.has_heard_the_unheard),
            Property::sometimes(CLASH, |_, state: &State| state.has_clashed),
        ]
    }
}

impl Rules {
    fn exec(self, state: &mut State, number: usize, is_heard: bool) -> Option<()> {
        let Phase::Loaded {
            forbidden,
            kept,
            versions,
        } = state.requests[number]
        else {
            return None;
        };
        let is_touched = versions[0] != state.versions[0] || (self.watches_the_key && versions[1] != state.versions[1]);
        if is_touched {
            state.has_clashed = true;
            state.requests[number] = Phase::Sent;
            return Some(());
        }
        let asked = asks(number);
        let own = kept.filter(|kept| !self.compares_requests || kept.by == asked);
        let answer = match (own, kept) {
            (Some(kept), _) => {
                state.has_repeated = true;
                state.has_heard_the_unheard |= state.was_unheard && is_heard;
                Phase::Answered(kept.outcome)
            }
            (None, Some(_)) => Phase::Reused,
            (None, None) => {
                let outcome = state.decide(asked, forbidden);
                let is_kept = self.keeps_refusals || outcome != Outcome::Refused;
                if !self.keeps_with_the_effect {
                    state.requests[number] = Phase::Unkept(outcome);
                    return Some(());
                }
                if is_kept {
                    state.keep(number, outcome);
                }
                state.was_unheard |= !is_heard;
                Phase::Answered(outcome)
            }
        };
        state.requests[number] = if is_heard { answer } else { Phase::Unanswered };
        Some(())
    }
}

impl State {
    fn decide(&mut self, asked: usize, forbidden: bool) -> Outcome {
        if forbidden {
            return Outcome::Refused;
        }
        self.made[asked] += 1;
        Outcome::Made(self.made[0] + self.made[1])
    }

    fn keep(&mut self, number: usize, outcome: Outcome) {
        self.kept = Some(Kept {
            by: asks(number),
            outcome,
        });
        self.versions[1] += 1;
    }

    /// What those heard who asked for this.
    fn answers(&self, asked: usize) -> impl Iterator<Item = Outcome> {
        let requests = self.requests.iter().enumerate();
        requests.filter_map(move |(number, phase)| match phase {
            Phase::Answered(outcome) if asks(number) == asked => Some(*outcome),
            _ => None,
        })
    }
}
