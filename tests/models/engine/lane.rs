//! A lane's steps, as `lane.rs`, `connection.rs` and `fence.rs` of the engine take them.
//!
//! ```text
//! Idle ─> Open ─> Watched ─> Loaded ─┬─ without a fence ─> Unfenced ─> Establishing ─> Open
//!                                    └─> Committing ─┬─ done ─> Idle
//!                                                    ├─ null ─> Open
//!                                                    └─ lost ─> Asking
//! Asking ─> AskingWatched ─┬─ this batch's number ──────────────────> Idle
//!                          ├─ nothing ──────────────────────────────> Idle, the outcome unknown
//!                          ├─ another of the lane's numbers ────────> Open
//!                          └─ what was loaded ─> NotFound ─> Moving ─┬─ done ─> Open
//!                                                                    └─ null or lost ─> Asking
//! ```

use super::{
    ledger::{Heard, Ledger},
    redis::{Answer, Redis, Request},
    rules::{Absent, LostAnswer, Numbers, Question, Rules},
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
    /// The batch's own number, if not every try has one: never with [`Numbers::Fresh`].
    batch_number: u8,
    /// The last try met a rival.
    pub(super) has_lost: bool,
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
        seen: u8,
    },
    /// The record, and the fence: zero if it is absent.
    Loaded {
        old: u8,
        seen: u8,
    },
    /// The fence alone is watched, which was not there.
    Unfenced,
    /// The fence alone was sent.
    Establishing,
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

/// An EXEC that was sent: the batch's number, the record's value after it, and the fence's before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sent {
    number: u8,
    record: u8,
    seen: u8,
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
            has_lost: false,
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
        self.has_lost = false;
        self.phase = Phase::Open;
    }

    /// Whether the next step is the lane's own, and not the server's, an answer's or another lane's whose turn it is.
    pub(super) fn can_step(&self, turn: Option<usize>) -> bool {
        match self.phase {
            Phase::Idle | Phase::Committing(_) | Phase::Moving(_) | Phase::Establishing => false,
            Phase::Open => turn.is_none_or(|turn| turn == self.id),
            _ => true,
        }
    }

    /// Whether the lane may take a turn.
    pub(super) fn wants_turn(&self) -> bool {
        self.phase == Phase::Open && self.has_lost
    }

    pub(super) fn step(&mut self, world: &mut World) {
        let id = self.id;
        self.phase = match self.phase {
            Phase::Idle | Phase::Committing(_) | Phase::Moving(_) | Phase::Establishing => return,
            Phase::Open if world.rules.watches_first => {
                self.watch(world);
                Phase::Watched
            }
            Phase::Watched => Phase::Loaded {
                old: world.redis.record,
                seen: world.redis.fences[id],
            },
            Phase::Open => Phase::Read {
                old: world.redis.record,
                seen: world.redis.fences[id],
            },
            Phase::Read { old, seen } => {
                self.watch(world);
                Phase::Loaded { old, seen }
            }
            Phase::Loaded { seen: 0, .. } if world.rules.establishes => {
                world.redis.unwatch(id);
                world.redis.watch_fence(id);
                Phase::Unfenced
            }
            Phase::Unfenced if world.redis.fences[id] > 0 => {
                world.redis.unwatch(id);
                Phase::Open
            }
            Phase::Unfenced => {
                let fence = self.fresh();
                world.redis.send(id, Request::Move { fence });
                Phase::Establishing
            }
            Phase::Loaded { old, seen } => self.commit(old, seen, world),
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
        self.has_lost = matches!((self.phase, answer), (Phase::Committing(_), Answer::Null));
        self.phase = match (self.phase, answer) {
            (Phase::Committing(sent), Answer::Done) => self.settle(sent, world),
            (Phase::Moving(sent), Answer::Old(found)) if found == sent.number => self.settle(sent, world),
            (Phase::Moving(sent), Answer::Null) => {
                world.redis.abandon(self.id);
                Phase::Asking(sent)
            }
            (Phase::Committing(_) | Phase::Moving(_) | Phase::Establishing, _) => Phase::Open,
            (phase, _) => phase,
        };
    }

    /// The connection breaks, or the lane has waited long enough. It is thrown away.
    pub(super) fn lose_connection(&mut self, world: &mut World) {
        world.redis.abandon(self.id);
        self.phase = match self.phase {
            Phase::Idle => Phase::Idle,
            Phase::Open
            | Phase::Watched
            | Phase::Read { .. }
            | Phase::Loaded { .. }
            | Phase::Unfenced
            | Phase::Establishing => Phase::Open,
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
    fn commit(&mut self, old: u8, seen: u8, world: &mut World) -> Phase {
        let number = match world.rules.numbers {
            Numbers::Fresh | Numbers::SharedWithMoves => self.fresh(),
            Numbers::SharedByTries | Numbers::SharedByBatches => self.batch_number,
        };
        let commands = world.ledger.under_way(self.id).map_or(0, |entry| entry.commands);
        let sent = Sent {
            number,
            record: old + commands,
            seen,
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
        let found = world.redis.fences[self.id];
        if found == sent.number {
            self.settle(sent, world)
        } else if found == sent.seen {
            not_found
        } else if found == 0 && world.rules.absent == Absent::TakenForUnknown {
            world.redis.unwatch(self.id);
            self.end(Heard::Unknown, world);
            Phase::Idle
        } else if found > 0 && world.rules.question == Question::WatchReadMove {
            // It has moved since the batch was loaded, and the batch's EXEC watches it.
            world.redis.unwatch(self.id);
            Phase::Open
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
