//! The server: one record, a fence for each lane, and connections with what they watch and what is in flight.
//!
//! A request that only reads or watches is one step, because being under way changes nothing for it: a slow
//! request is a slow lane, and a lost one is a broken connection. A request that writes is in flight until the
//! server executes it, which may be after the lane has given its connection up, or never: then the checker
//! never lets it arrive.

use super::{LANES, ledger::Ledger, rules::Client};

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Redis {
    /// The one record, a counter.
    pub(super) record: u8,
    /// Zero stands for an absent key.
    pub(super) fences: [u8; LANES],
    /// The lane whose turn it is.
    pub(super) turn: Option<usize>,
    /// Each lane's connection, if it has one.
    pub(super) connections: [Option<Connection>; LANES],
    /// Connections that their lane has given up, with a request still on its way. Sorted: their order says nothing.
    pub(super) abandoned: Vec<Connection>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Connection {
    pub(super) lane: usize,
    record: Watch,
    fence: Watch,
    /// The last request that writes, until its answer is heard.
    request: Option<Request>,
    /// Its answer, once it was executed.
    answer: Option<Answer>,
}

/// What a connection knows of a key. Watching a touched key again doesn't make it untouched, as in Redis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Watch {
    #[default]
    Not,
    Untouched,
    Touched,
}

/// What a lane sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Request {
    /// MULTI / SET record / SET fence / EXEC. `batch` is for the ledger alone.
    Commit { batch: u8, record: u8, fence: u8 },
    /// MULTI / SET fence / EXEC.
    Move { fence: u8 },
    /// `SET fence <new> GET`, which no WATCH holds back.
    SetGet { fence: u8 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Answer {
    Done,
    /// A watched key was touched: nothing was written.
    Null,
    /// The fence's old value.
    Old(u8),
}

impl Redis {
    pub(super) fn watch_record(&mut self, lane: usize) {
        self.open(lane).record.begin();
    }

    pub(super) fn watch_fence(&mut self, lane: usize) {
        self.open(lane).fence.begin();
    }

    /// Forgets what is watched, as DISCARD does.
    pub(super) fn unwatch(&mut self, lane: usize) {
        let connection = self.open(lane);
        connection.record = Watch::Not;
        connection.fence = Watch::Not;
    }

    /// A fence is evicted, or expires by a clock that was set, or is deleted by a person.
    pub(super) fn lose_fence(&mut self, lane: usize) {
        self.set_fence(lane, 0);
    }

    pub(super) fn send(&mut self, lane: usize, request: Request) {
        self.open(lane).request = Some(request);
    }

    /// Executes what the lane has sent.
    pub(super) fn execute(&mut self, lane: usize, ledger: &mut Ledger) {
        if let Some(mut connection) = self.connections[lane].take() {
            self.apply(&mut connection, ledger);
            self.connections[lane] = Some(connection);
        }
    }

    /// Executes what was still on its way when its connection was given up. Nobody hears the answer.
    pub(super) fn execute_late(&mut self, index: usize, ledger: &mut Ledger) {
        let mut connection = self.abandoned.remove(index);
        let moved = connection.fence == Watch::Touched;
        self.apply(&mut connection, ledger);
        ledger.late_exec_refused |= moved && connection.has_conflict();
    }

    /// Takes the answer off the connection, if there is one.
    pub(super) fn hear(&mut self, lane: usize) -> Option<Answer> {
        let connection = self.connections[lane].as_mut()?;
        let answer = connection.answer.take()?;
        connection.request = None;
        Some(answer)
    }

    /// The lane gives its connection up.
    pub(super) fn abandon(&mut self, lane: usize) {
        if let Some(connection) = self.connections[lane].take()
            && connection.is_under_way()
        {
            self.abandoned.push(connection);
            self.abandoned.sort();
        }
    }

    /// The connection breaks, and the client doesn't tell the lane.
    pub(super) fn break_unnoticed(&mut self, lane: usize, client: Client) {
        let request = self.connections[lane]
            .as_ref()
            .and_then(|connection| connection.request);
        self.abandon(lane);
        match client {
            Client::Fails | Client::Hangs => {}
            Client::Reconnects | Client::Repeats => self.open(lane).request = request,
        }
    }

    fn open(&mut self, lane: usize) -> &mut Connection {
        self.connections[lane].get_or_insert(Connection {
            lane,
            record: Watch::Not,
            fence: Watch::Not,
            request: None,
            answer: None,
        })
    }

    fn apply(&mut self, connection: &mut Connection, ledger: &mut Ledger) {
        let Some(request) = connection.request else { return };
        let lane = connection.lane;
        let touched = connection.record == Watch::Touched || connection.fence == Watch::Touched;
        connection.answer = Some(match request {
            Request::SetGet { fence } => {
                let old = self.fences[lane];
                self.set_fence(lane, fence);
                connection.fence.touch();
                Answer::Old(old)
            }
            Request::Move { .. } | Request::Commit { .. } if touched => Answer::Null,
            Request::Move { fence } => {
                self.set_fence(lane, fence);
                Answer::Done
            }
            Request::Commit { batch, record, fence } => {
                self.set_record(record);
                self.set_fence(lane, fence);
                ledger.put_in_force(lane, batch, record);
                self.turn = self.turn.filter(|turn| *turn != lane);
                Answer::Done
            }
        });
        if connection.answer == Some(Answer::Null) || connection.answer == Some(Answer::Done) {
            connection.record = Watch::Not;
            connection.fence = Watch::Not;
        }
    }

    fn set_record(&mut self, value: u8) {
        self.record = value;
        self.others().for_each(|connection| connection.record.touch());
    }

    fn set_fence(&mut self, lane: usize, value: u8) {
        self.fences[lane] = value;
        self.others()
            .filter(|connection| connection.lane == lane)
            .for_each(|connection| connection.fence.touch());
    }

    /// All connections but the one that executes, which has been taken out.
    fn others(&mut self) -> impl Iterator<Item = &mut Connection> {
        self.connections.iter_mut().flatten().chain(&mut self.abandoned)
    }
}

impl Connection {
    pub(super) fn is_under_way(&self) -> bool {
        self.request.is_some() && self.answer.is_none()
    }

    /// Neither under way nor answered.
    pub(super) fn is_quiet(&self) -> bool {
        self.request.is_none()
    }

    pub(super) fn is_answered(&self) -> bool {
        self.answer.is_some()
    }

    /// A batch's EXEC was answered null.
    pub(super) fn has_conflict(&self) -> bool {
        self.commits() && self.answer == Some(Answer::Null)
    }

    fn commits(&self) -> bool {
        matches!(self.request, Some(Request::Commit { .. }))
    }

    pub(super) fn watches(&self) -> bool {
        self.record != Watch::Not || self.fence != Watch::Not
    }
}

impl Watch {
    fn begin(&mut self) {
        if *self == Self::Not {
            *self = Self::Untouched;
        }
    }

    fn touch(&mut self) {
        if *self == Self::Untouched {
            *self = Self::Touched;
        }
    }
}
