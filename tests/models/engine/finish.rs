//! The rest of a run in which nothing goes wrong any more.

use super::{
    LANES,
    lane::Phase,
    ledger::Heard,
    model::{Action, State},
    rules::Rules,
};

/// Far more steps than any faultless rest needs.
const STEPS: usize = 200;

/// When the transactions arrive whose connections were given up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Late {
    /// Before anything else.
    AtOnce,
    /// Never, or after everything else.
    AtLast,
}

/// Without further faults every batch is answered, and the record is what was answered.
pub(super) fn can_be_finished(state: &State, rules: Rules) -> bool {
    [Late::AtOnce, Late::AtLast]
        .into_iter()
        .all(|late| finishes(state.clone(), rules, late))
}

fn finishes(mut state: State, rules: Rules, late: Late) -> bool {
    // A batch that was given up before stays so.
    let given_up = state.given_up();
    if late == Late::AtOnce {
        state.let_all_arrive(rules);
    }
    for _ in 0..STEPS {
        let action = (0..LANES).find_map(|lane| state.next_without_fault(lane));
        let over = (state.redis.turn.is_some() && rules.turns_expire).then_some(Action::EndTurn);
        let Some(action) = action.or(over) else {
            // What became of a batch whose fence was lost, nobody may be able to tell.
            let is_answered = state.given_up() == given_up || state.has_lost_fence;
            let is_done = state.is_idle() && is_answered && state.is_exact();
            state.let_all_arrive(rules);
            return is_done && state.is_exact();
        };
        state.apply(rules, action);
    }
    false
}

impl State {
    fn next_without_fault(&self, lane: usize) -> Option<Action> {
        let own = &self.lanes[lane];
        let connection = self.redis.connections[lane].as_ref();
        if own.phase == Phase::Idle {
            (own.waiting > 0).then_some(Action::Gather {
                lane,
                commands: own.waiting,
            })
        } else if own.can_step(self.redis.turn) {
            Some(Action::Step { lane })
        } else if own.phase == Phase::Open {
            // It is another's turn.
            None
        } else if connection?.is_answered() {
            Some(Action::Hear { lane })
        } else {
            Some(Action::Execute { lane })
        }
    }

    fn let_all_arrive(&mut self, rules: Rules) {
        while !self.redis.abandoned.is_empty() {
            self.apply(rules, Action::ArriveLate { abandoned: 0 });
        }
    }

    fn is_idle(&self) -> bool {
        self.lanes
            .iter()
            .all(|lane| lane.phase == Phase::Idle && lane.waiting == 0)
    }

    fn given_up(&self) -> usize {
        let batches = self.ledger.batches.iter().flatten();
        batches
            .filter(|entry| matches!(entry.heard, Heard::Refused | Heard::Unknown))
            .count()
    }

    /// Nothing is open but what was given up, and that counts as it is in force.
    fn is_exact(&self) -> bool {
        self.ledger.nothing_was_overwritten(self.redis.record)
            && self.ledger.none_is_in_force_twice()
            && self.ledger.answers_are_kept()
            && self.ledger.record_is_what_was_answered(self.redis.record)
    }
}
