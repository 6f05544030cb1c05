//! What goes over one connection, and the fault that strikes it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use tokio::{
    net::tcp::OwnedWriteHalf,
    sync::{Notify, Semaphore},
};

use super::{lock, resp::whole_values};

/// What the proxy does with the first request that holds the pattern it was armed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request does not arrive, and the connection breaks.
    DropRequest,
    /// The request arrives, the answer does not, and the connection breaks.
    DropReply,
    /// The client's connection breaks; the request arrives when [`FaultProxy::deliver`](super::FaultProxy::deliver) says so.
    DelayRequest,
    /// The client's connection stays, and waits; the request arrives when [`FaultProxy::deliver`](super::FaultProxy::deliver) says so.
    HoldRequest,
    /// Neither the request nor anything after it arrives; the connection stays.
    StallRequest,
    /// The request arrives, and no answer ever does; the connection stays.
    StallReply,
}

impl Fault {
    pub(super) fn lets_the_request_through(self) -> bool {
        matches!(self, Self::DropReply | Self::StallReply)
    }
}

/// What the proxy is to do once.
pub(super) struct Armed {
    pub(super) faults: Mutex<VecDeque<(Vec<u8>, Fault)>>,
    /// One permit for each fault that has happened and was not waited for.
    pub(super) struck: Semaphore,
    pub(super) delayed: Mutex<Option<Delayed>>,
    pub(super) forbidden: Mutex<Option<Forbidden>>,
}

/// A request that was kept back.
pub(super) struct Delayed {
    pub(super) server: OwnedWriteHalf,
    pub(super) request: Vec<u8>,
    pub(super) exchange: Arc<Exchange>,
}

/// Requests that hold all of the patterns, and are at least so long.
pub(super) struct Forbidden {
    pub(super) patterns: Vec<Vec<u8>>,
    pub(super) min_bytes: usize,
}

impl Default for Armed {
    fn default() -> Self {
        Self {
            faults: Mutex::default(),
            struck: Semaphore::new(0),
            delayed: Mutex::default(),
            forbidden: Mutex::default(),
        }
    }
}

impl Armed {
    fn forbids(&self, request: &[u8]) -> bool {
        lock(&self.forbidden).as_ref().is_some_and(|forbidden| {
            let mut patterns = forbidden.patterns.iter();
            request.len() >= forbidden.min_bytes && patterns.all(|pattern| holds(request, pattern))
        })
    }

    /// The next fault, disarmed, if the request holds its pattern.
    fn strike(&self, request: &[u8]) -> Option<Fault> {
        let mut faults = lock(&self.faults);
        let (pattern, _) = faults.front()?;
        if !holds(request, pattern) {
            return None;
        }
        faults.pop_front().map(|(_, fault)| fault)
    }
}

fn holds(bytes: &[u8], pattern: &[u8]) -> bool {
    bytes.windows(pattern.len()).any(|window| window == pattern)
}

/// What one connection has asked and heard, and the fault that has struck it.
#[derive(Default)]
pub(super) struct Exchange {
    state: Mutex<ExchangeState>,
    kept_back: Notify,
    answered: Notify,
}

#[derive(Default)]
struct ExchangeState {
    talk: Talk,
    fault: Option<Fault>,
}

/// What is to become of a piece of a request.
pub(super) enum Request {
    Passes,
    /// It breaks its connection.
    IsForbidden,
    /// The fault keeps it.
    IsKeptBack(Fault),
}

/// What is to become of a piece of an answer.
pub(super) enum Reply {
    Passes,
    /// The client does not get it.
    IsKeptBack,
    /// The whole answer is there, and the fault happens.
    Strikes(Fault),
}

impl Exchange {
    /// Takes a piece of a request.
    pub(super) fn request(&self, bytes: &[u8], armed: &Armed) -> Request {
        let mut state = lock(&self.state);
        let ExchangeState { talk, fault } = &mut *state;
        if talk.requests.is_empty() {
            // What came since then still belonged to the answer before.
            talk.replies.clear();
        }
        talk.requests.extend_from_slice(bytes);
        if armed.forbids(&talk.requests) {
            return Request::IsForbidden;
        }
        *fault = fault.or_else(|| armed.strike(&talk.requests));
        match *fault {
            Some(fault) if !fault.lets_the_request_through() => {
                self.kept_back.notify_one();
                Request::IsKeptBack(fault)
            }
            _ => Request::Passes,
        }
    }

    /// Takes a piece of an answer.
    pub(super) fn reply(&self, bytes: &[u8]) -> Reply {
        let mut state = lock(&self.state);
        let ExchangeState { talk, fault } = &mut *state;
        talk.replies.extend_from_slice(bytes);
        let is_answered = talk.is_answered();
        match *fault {
            None => {
                if is_answered {
                    *talk = Talk::default();
                }
                Reply::Passes
            }
            // The server has the whole request and has done it.
            Some(fault) if is_answered && fault.lets_the_request_through() => Reply::Strikes(fault),
            Some(_) => {
                if is_answered {
                    self.answered.notify_one();
                }
                Reply::IsKeptBack
            }
        }
    }

    /// Waits until a request was kept back, and returns why.
    pub(super) async fn kept_back(&self) -> Option<Fault> {
        self.kept_back.notified().await;
        self.fault()
    }

    /// The fault that has struck.
    pub(super) fn fault(&self) -> Option<Fault> {
        lock(&self.state).fault
    }

    /// The server's answer to a request that was kept back and then delivered.
    pub(super) async fn answer(&self) -> Vec<u8> {
        self.answered.notified().await;
        lock(&self.state).talk.replies.clone()
    }
}

/// What went over a connection since all that was asked was answered. A request comes in pieces of any size.
#[derive(Default)]
struct Talk {
    requests: Vec<u8>,
    replies: Vec<u8>,
}

impl Talk {
    /// Whether all that was asked has come to its end, and so have as many answers. Of HTTP, the beginning of an answer
    /// is enough.
    fn is_answered(&self) -> bool {
        if !self.requests.starts_with(b"*") {
            return !self.replies.is_empty();
        }
        whole_values(&self.requests).is_some_and(|asked| whole_values(&self.replies) == Some(asked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_talk_is_answered_once_each_command_is() {
        let requests = b"*2\r\n$5\r\nWATCH\r\n$1\r\na\r\n*2\r\n$4\r\nMGET\r\n$1\r\na\r\n*1\r\n$5\r\nMULTI\r\n";
        let replies = b"+OK\r\n*2\r\n$3\r\n1\r\n\r\n$-1\r\n+OK\r\n";
        for length in 0..=replies.len() {
            let talk = Talk {
                requests: requests.to_vec(),
                replies: replies[..length].to_vec(),
            };
            assert_eq!(talk.is_answered(), length == replies.len(), "{length}");
        }
        assert_eq!(whole_values(b"*-1\r\n"), Some(1));
    }
}
