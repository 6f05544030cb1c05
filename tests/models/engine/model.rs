//! The state of the whole, what can happen to it, and what must hold.

use stateright::{Model, Property};

use super::{
    LANES,
    finish::can_be_finished,
    lane::{Lane, Phase, World},
    ledger::Ledger,
    redis::{Connection, Redis},
    rules::{Client, Rules},
};

/// The engine under its rules, within bounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Engine {
    pub(super) rules: Rules,
    /// How many commands come to each lane.
    pub(super) commands: [u8; LANES],
    /// How many connections break, over all lanes.
    pub(super) breaks: u8,
    /// How many batches reach their deadline, over all lanes.
    pub(super) deadlines: u8,
    /// How many fences are lost, over all lanes.
    pub(super) fences_lost: u8,
    /// A lane that meets a rival may take a turn.
    pub(super) turns: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) redis: Redis,
    pub(super) lanes: [Lane; LANES],
    pub(super) ledger: Ledger,
    /// A fence was lost at some time.
    pub(super) has_lost_fence: bool,
    breaks: u8,
    deadlines: u8,
    fences_lost: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// The lane takes so many of its waiting commands as one batch.
    Gather { lane: usize, commands: u8 },
    /// The lane goes on: the next request, and what follows from its answer.
    Step { lane: usize },
    /// The server executes the transaction that the lane has sent.
    Execute { lane: usize },
    /// The lane hears the transaction's answer.
    Hear { lane: usize },
    /// The lane's connection breaks, or doesn't answer in time, and is thrown away.
    Break { lane: usize },
    /// The same, but the client doesn't tell the lane.
    BreakUnnoticed { lane: usize },
    /// The lane's batch reaches its deadline.
    Deadline { lane: usize },
    /// The lane's fence is evicted, expires or is deleted.
    LoseFence { lane: usize },
    /// The lane takes a turn.
    TakeTurn { lane: usize },
    /// A turn's time is over.
    EndTurn,
    /// What was on its way when a connection was given up arrives at the server.
    ArriveLate { abandoned: usize },
}

pub(super) const NOTHING_OVERWRITTEN: &str = "the record counts every EXEC that has happened";
pub(super) const ONCE: &str = "no batch is in force twice";
pub(super) const KEPT: &str = "what was answered as done is in force, with the value that was answered";
pub(super) const REFUSED: &str = "what was refused is not in force";
pub(super) const DISTINCT: &str = "no two commands are answered with the same value";
pub(super) const EXACT: &str = "the record is what was answered, and at most what is open besides";
pub(super) const FINISHABLE: &str = "every batch can still be finished";

pub(super) const CONFLICT: &str = "a rival makes an EXEC null";
pub(super) const LOST_IN_FORCE: &str = "an answer is lost and the batch is in force";
pub(super) const LOST_NOT_IN_FORCE: &str = "an answer is lost and the batch is not in force";
pub(super) const LATE_REFUSED: &str = "an EXEC that arrives after its fence was moved is refused";

impl Model for Engine {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            redis: Redis::default(),
            lanes: std::array::from_fn(|lane| Lane::new(lane, self.commands[lane])),
            ledger: Ledger::default(),
            has_lost_fence: false,
            breaks: self.breaks,
            deadlines: self.deadlines,
            fences_lost: self.fences_lost,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for lane in 0..LANES {
            self.actions_of_lane(state, lane, actions);
        }
        if state.redis.turn.is_some() && self.rules.turns_expire {
            actions.push(Action::EndTurn);
        }
        actions.extend((0..state.redis.abandoned.len()).map(|abandoned| Action::ArriveLate { abandoned }));
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        state.apply(self.rules, action);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(NOTHING_OVERWRITTEN, |_, state: &State| {
                state.ledger.nothing_was_overwritten(state.redis.record)
            }),
            Property::always(ONCE, |_, state: &State| state.ledger.none_is_in_force_twice()),
            Property::always(KEPT, |_, state: &State| state.ledger.answers_are_kept()),
            Property::always(REFUSED, |_, state: &State| state.ledger.refused_are_not_in_force()),
            Property::always(DISTINCT, |_, state: &State| state.ledger.values_are_distinct()),
            Property::always(EXACT, |_, state: &State| {
                state.ledger.record_is_what_was_answered(state.redis.record)
            }),
            Property::always(FINISHABLE, |model: &Self, state| can_be_finished(state, model.rules)),
            Property::sometimes(CONFLICT, |_, state: &State| {
                state.redis.connections.iter().flatten().any(Connection::has_conflict)
            }),
            Property::sometimes(LOST_IN_FORCE, |_, state: &State| state.is_asking_for(1)),
            Property::sometimes(LOST_NOT_IN_FORCE, |_, state: &State| state.is_asking_for(0)),
            Property::sometimes(LATE_REFUSED, |_, state: &State| state.ledger.late_exec_refused),
        ]
    }
}

impl Engine {
    fn actions_of_lane(&self, state: &State, lane: usize, actions: &mut Vec<Action>) {
        let own = &state.lanes[lane];
        if state.fences_lost > 0 && state.redis.fences[lane] > 0 {
            actions.push(Action::LoseFence { lane });
        }
        if own.phase == Phase::Idle {
            actions.extend((1..=own.waiting).map(|commands| Action::Gather { lane, commands }));
            return;
        }
        if own.can_step(state.redis.turn) {
            actions.push(Action::Step { lane });
        }
        if self.turns && own.wants_turn() && state.redis.turn.is_none() {
            actions.push(Action::TakeTurn { lane });
        }
        if state.deadlines > 0 && matches!(own.phase, Phase::Open | Phase::Asking(_)) {
            actions.push(Action::Deadline { lane });
        }
        let Some(connection) = &state.redis.connections[lane] else {
            return;
        };
        if connection.is_under_way() {
            actions.push(Action::Execute { lane });
        }
        if connection.is_answered() {
            actions.push(Action::Hear { lane });
        }
        if state.breaks > 0 {
            actions.push(Action::Break { lane });
            let is_unnoticed = match self.rules.client {
                Client::Fails => false,
                Client::Reconnects => connection.is_quiet() && connection.watches(),
                Client::Repeats | Client::Hangs => !connection.is_quiet(),
            };
            if is_unnoticed {
                actions.push(Action::BreakUnnoticed { lane });
            }
        }
    }
}

impl State {
    pub(super) fn apply(&mut self, rules: Rules, action: Action) {
        let (redis, ledger) = (&mut self.redis, &mut self.ledger);
        match action {
            Action::Execute { lane } => redis.execute(lane, ledger),
            Action::ArriveLate { abandoned } => redis.execute_late(abandoned, ledger),
            Action::BreakUnnoticed { lane } => {
                self.breaks -= 1;
                redis.break_unnoticed(lane, rules.client);
            }
            Action::LoseFence { lane } => {
                self.fences_lost -= 1;
                self.has_lost_fence = true;
                redis.lose_fence(lane);
            }
            Action::TakeTurn { lane } => redis.turn = Some(lane),
            Action::EndTurn => redis.turn = None,
            Action::Gather { lane, commands } => {
                self.lanes[lane].gather(commands, &mut World { rules, redis, ledger });
            }
            Action::Step { lane } => self.lanes[lane].step(&mut World { rules, redis, ledger }),
            Action::Hear { lane } => self.lanes[lane].hear(&mut World { rules, redis, ledger }),
            Action::Break { lane } => {
                self.breaks -= 1;
                self.lanes[lane].lose_connection(&mut World { rules, redis, ledger });
            }
            Action::Deadline { lane } => {
                self.deadlines -= 1;
                self.lanes[lane].give_up(&mut World { rules, redis, ledger });
            }
        }
    }

    /// A lane has lost an answer, and its batch is in force so many times.
    fn is_asking_for(&self, in_force: u8) -> bool {
        (0..LANES).any(|lane| {
            matches!(self.lanes[lane].phase, Phase::Asking(_))
                && self
                    .ledger
                    .under_way(lane)
                    .is_some_and(|entry| entry.in_force == in_force)
        })
    }
}
