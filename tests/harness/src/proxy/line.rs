//! What a proxy does to all of its connections.

use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;

/// What a connection does while it is in trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// Every connection breaks, and no new one comes about.
    Cut,
    /// Nothing passes; what was sent passes afterwards, also when its sender no longer waits.
    Stall,
    /// Everything takes so much longer, in both directions.
    Delay(Duration),
    /// Each piece of a request takes so much longer.
    DelayRequests(Duration),
    /// Requests pass; then the connection breaks instead of an answer.
    DropReplies,
    /// The direction to the server is closed; answers still pass.
    HalfCloseRequests,
    /// The direction to the client is closed; requests still pass.
    HalfCloseReplies,
    /// Every HTTP request arrives once more, some time later.
    Duplicate,
    /// A request of more than so many bytes never arrives, nor does anything behind it on its connection. Smaller
    /// ones pass, and so do answers: what a path does whose packets are smaller than its ends believe.
    LoseBigRequests(usize),
    /// The same, of answers.
    LoseBigReplies(usize),
}

/// What the proxy does to its connections.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct State {
    pub(super) trouble: Option<Trouble>,
    /// How often all connections that were open have fallen silent.
    pub(super) silences: u64,
    /// How often all connections that were open have been cut.
    pub(super) cuts: u64,
}

/// What one connection sees of its proxy. If the proxy is gone, whatever is waited for has come.
#[derive(Clone)]
pub(super) struct Line {
    state: watch::Receiver<State>,
    /// How often the proxy had fallen silent, and was cut, before the connection was made.
    silences: u64,
    cuts: u64,
}

impl Line {
    pub(super) fn new(state: &watch::Receiver<State>) -> Self {
        let State { silences, cuts, .. } = *state.borrow();
        Self {
            silences,
            cuts,
            state: state.clone(),
        }
    }

    /// Whether no connection comes about.
    pub(super) fn is_cut(&self) -> bool {
        self.state.borrow().trouble == Some(Trouble::Cut)
    }

    /// Waits until the connection breaks.
    pub(super) async fn until_cut(&mut self) {
        let cuts = self.cuts;
        let is_cut = |state: &State| state.trouble == Some(Trouble::Cut) || state.cuts != cuts;
        let _ = self.state.wait_for(is_cut).await;
    }

    /// Whether the connection carries nothing any more.
    pub(super) fn is_silent(&self) -> bool {
        self.state.borrow().silences != self.silences
    }

    /// Waits until the trouble is one that `is` wants, and returns it.
    pub(super) async fn until(&mut self, is: impl Fn(Option<Trouble>) -> bool) -> Option<Trouble> {
        self.state.wait_for(|state| is(state.trouble)).await.ok()?.trouble
    }

    /// Waits for as long as nothing passes.
    pub(super) async fn pass(&mut self) -> Option<Trouble> {
        let trouble = self.until(|trouble| trouble != Some(Trouble::Stall)).await;
        if let Some(Trouble::Delay(delay)) = trouble {
            tokio::time::sleep(delay).await;
        }
        trouble
    }

    /// Waits until the direction to the server is closed. On a silent connection not even that passes.
    pub(super) async fn until_requests_close(&mut self) {
        let (silences, cuts) = (self.silences, self.cuts);
        let closed = |state: &State| match state.trouble {
            Some(Trouble::Cut) => true,
            Some(Trouble::HalfCloseRequests) => state.silences == silences,
            _ => state.cuts != cuts,
        };
        let _ = self.state.wait_for(closed).await;
    }
}
