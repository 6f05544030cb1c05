//! A lane's steps, as `lane.rs`, `connection.rs` and `fence.rs` of the engine take them.
//!
//! ```text
//! Idle ─> Open ─> Watched ─> Loaded ─> Committing ─┬─ done ─> Idle
//!                                                  ├─ null ─> Open
//!                                                  └─ lost ─> Asking
//! Asking ─> AskingWatched ─┬─ this batch's number ──────────> Idle
//!                          └─ another ─> NotFound ─> Moving ─┬─ done ─> Open
//!                                                            └─ null or lost ─> Asking
//! ```

use super::{
    ledger::{Heard, Ledger},
    redis::{Answer, Redis, Request},
    rules::{LostAnswer, Numbers, Question, Rules},
};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Lane {
    id: usize,
    /// Commands that no batch has taken yet.
    pub(super) waiting: u8,
    /// How many batches were taken before this one.
    batch: u8,
    /// The last number that was used.
    number: u8,
    /// The batch's own number, where not every try has one: never with [`Numbers::Fresh`].
    batch_number: u8,
    pub(super) phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    /// No batch is under way.
    Idle,
    /// Nothing of this try has been done.
    Open,
    Watched,
    /// Read, but not watched: only without [`Rules::watches_first`].
    Read {
        old: u8,
    },
    Loaded {
        old: u8,
    },
    /// EXEC was sent.
    Committing(Sent),
    /// The answer was lost. Nothing of this question has been done.
    Asking(Sent),
    AskingWatched(Sent),
    /// Read, but not watched: only with [`Question::ReadWatchMove`].
    AskingRead(Sent),
    /// The fence holds another number.
    NotFound(Sent),
    /// The fence's move was sent.
    Moving(Sent),
}

/// An EXEC that was sent: the batch's number, and the record's value after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sent {
    number: u8,
    record: u8,
}

/// Where a lane acts.
pub(super) struct World<'a> {
    pub(super) rules: Rules,
    pub(super) redis: &'a mut Redis,
    pub(super) ledger: &'a mut Ledger,
}

impl Lane {
    pub(super) fn new(id: usize, waiting: u8) -> Self {
        Self {
            id,
            waiting,
            batch: 0,
            number: 0,
            batch_number: 0,
            phase: Phase::Idle,
        }
    }

    /// Takes the next `commands` commands as one batch.
    pub(super) fn gather(&mut self, commands: u8, world: &mut World) {
        self.waiting -= commands;
        match world.rules.numbers {
            Numbers::Fresh | Numbers::SharedWithMoves => {}
            Numbers::SharedByBatches if self.batch_number > 0 => {}
            Numbers::SharedByTries | Numbers::SharedByBatches => self.batch_number = self.fresh(),
        }
        world.ledger.begin(self.id, commands);
        self.phase = Phase::Open;
    }

    /// Whether the next step is the lane's own, and not the server's or an answer's.
    pub(super) fn can_step(&self) -> bool {
        !matches!(self.phase, Phase::Idle | Phase::Committing(_) | Phase::Moving(_))
    }

    pub(super) fn step(&mut self, world: &mut World) {
        let id = self.id;
        self.phase = match self.phase {
            Phase::Idle | Phase::Committing(_) | Phase::Moving(_) => return,
            Phase::Open if world.rules.watches_first => {
                self.watch(world);
                Phase::Watched
            }
            Phase::Watched => Phase::Loaded {
                old: world.redis.record,
            },
            Phase::Open => Phase::Read {
                old: world.redis.record,
            },
            Phase::Read { old } => {
                self.watch(world);
                Phase::Loaded { old }
            }
            Phase::Loaded { old } => self.commit(old, world),
            Phase::Asking(sent) => match world.rules.question {
                Question::WatchReadMove => {
                    world.redis.watch_fence(id);
                    Phase::AskingWatched(sent)
                }
                Question::ReadWatchMove => self.find(sent, Phase::AskingRead(sent), world),
                Question::ReadMove => self.find(sent, Phase::NotFound(sent), world),
                Question::Read => self.find(sent, Phase::Open, world),
                Question::SetGet => {
                    let fence = self.number_of_move(world.rules);
                    world.redis.send(id, Request::SetGet { fence });
                    Phase::Moving(sent)
                }
            },
            Phase::AskingWatched(sent) => self.find(sent, Phase::NotFound(sent), world),
            Phase::AskingRead(sent) => {
                world.redis.watch_fence(id);
                Phase::NotFound(sent)
            }
            Phase::NotFound(sent) => {
                let fence = self.number_of_move(world.rules);
                world.redis.send(id, Request::Move { fence });
                Phase::Moving(sent)
            }
        };
    }

    /// The answer of EXEC, or of the fence's move, has come.
    pub(super) fn hear(&mut self, world: &mut World) {
        let Some(answer) = world.redis.hear(self.id) else {
            return;
        };
        self.phase = match (self.phase, answer) {
            (Phase::Committing(sent), Answer::Done) => self.settle(sent, world),
            (Phase::Moving(sent), Answer::Old(found)) if found == sent.number => self.settle(sent, world),
            (Phase::Moving(sent), Answer::Null) => {
                world.redis.abandon(self.id);
                Phase::Asking(sent)
            }
            (Phase::Committing(_) | Phase::Moving(_), _) => Phase::Open,
            (phase, _) => phase,
        };
    }

    /// The connection breaks, or the lane has waited long enough. It is thrown away.
    pub(super) fn lose_connection(&mut self, world: &mut World) {
        world.redis.abandon(self.id);
        self.phase = match self.phase {
            Phase::Idle => Phase::Idle,
            Phase::Open | Phase::Watched | Phase::Read { .. } | Phase::Loaded { .. } => Phase::Open,
            Phase::Committing(sent) => match world.rules.lost_answer {
                LostAnswer::Asked => Phase::Asking(sent),
                LostAnswer::TakenForInForce => self.settle(sent, world),
                LostAnswer::TakenForNotInForce => Phase::Open,
            },
            Phase::Asking(sent)
            | Phase::AskingWatched(sent)
            | Phase::AskingRead(sent)
            | Phase::NotFound(sent)
            | Phase::Moving(sent) => Phase::Asking(sent),
        };
    }

    /// The deadline passes between two tries, or between two questions: the callers hear an error.
    pub(super) fn give_up(&mut self, world: &mut World) {
        let heard = match self.phase {
            Phase::Open => Heard::Refused,
            Phase::Asking(_) => Heard::Unknown,
            _ => return,
        };
        self.end(heard, world);
        self.phase = Phase::Idle;
    }

    fn watch(&self, world: &mut World) {
        if world.rules.watches_records {
            world.redis.watch_record(self.id);
        }
        if world.rules.watches_fence {
            world.redis.watch_fence(self.id);
        }
    }

    /// Decides, purely, and sends the whole transaction.
    fn commit(&mut self, old: u8, world: &mut World) -> Phase {
        let number = match world.rules.numbers {
            Numbers::Fresh | Numbers::SharedWithMoves => self.fresh(),
            Numbers::SharedByTries | Numbers::SharedByBatches => self.batch_number,
        };
        let commands = world.ledger.under_way(self.id).map_or(0, |entry| entry.commands);
        let sent = Sent {
            number,
            record: old + commands,
        };
        world.redis.send(
            self.id,
            Request::Commit {
                batch: self.batch,
                record: sent.record,
                fence: sent.number,
            },
        );
        Phase::Committing(sent)
    }

    /// GET fence.
    fn find(&mut self, sent: Sent, not_found: Phase, world: &mut World) -> Phase {
        if world.redis.fences[self.id] == sent.number {
            self.settle(sent, world)
        } else {
            not_found
        }
    }

    fn number_of_move(&mut self, rules: Rules) -> u8 {
        match rules.numbers {
            Numbers::SharedWithMoves => self.number + 1,
            Numbers::Fresh | Numbers::SharedByTries | Numbers::SharedByBatches => self.fresh(),
        }
    }

    fn fresh(&mut self) -> u8 {
        self.number += 1;
        self.number
    }

    fn settle(&mut self, sent: Sent, world: &mut World) -> Phase {
        self.end(Heard::Done { last: sent.record }, world);
        Phase::Idle
    }

    fn end(&mut self, heard: Heard, world: &mut World) {
        world.ledger.end(self.id, heard);
        self.batch += 1;
    }
}
