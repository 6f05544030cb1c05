//! How calls and replies travel: many calls a request, and each reply as soon as it is known.
//!
//! A request is a JSON array of [`Call`]s. Its answer is a line of JSON for each of them, a [`Numbered`] reply, in the
//! order in which they become known. So no call waits for another one's reply, and those that were answered stay
//! answered if the connection breaks later.

use std::{str::FromStr, time::Duration};

use domain::{Cause, CorrelationId, TraceParent};
use engine::EngineError;
use serde::{Deserialize, Serialize};

use crate::client::CallError;

/// The most calls that one request may carry.
pub const MAX_CALLS: usize = 1_024;
/// The largest call: that of an order with as many lines as it may have is about half as large.
pub const MAX_CALL_BYTES: usize = 128 * 1024;
/// The largest request.
pub const MAX_REQUEST_BYTES: usize = 1024 * 1024;
/// The largest reply, with its line's end.
pub const MAX_REPLY_BYTES: usize = 8 * 1024;
/// How many bytes of a failure's cause are told.
const MAX_CAUSE_BYTES: usize = 1_024;

/// Where a participant says that it is there.
pub const ALIVE_PATH: &str = "/internal/alive";
/// The header that carries a request's [`Budget`].
pub const BUDGET_HEADER: &str = "X-Budget-Ms";

/// The header in which order tells its terms with every request to a participant.
pub const TERMS_HEADER: &str = "holdfast-terms";

/// Counts requests that were refused because order's terms are others.
pub const TERMS_MISMATCHES: &str = "holdfast_terms_mismatch_total";

/// How long a participant may take over each call of a request, in whole milliseconds.
///
/// It is shorter than the time for which the driver waits: a call that takes too long is still answered, as failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget(Duration);

/// The text is no budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{BUDGET_HEADER} is a whole number of milliseconds")]
pub struct BadBudget;

impl Budget {
    /// The longest.
    const MOST: Duration = Duration::from_secs(60);
    /// That of a request that does not say.
    const USUAL: Duration = Duration::from_secs(2);
    /// The most that the way back may take of the driver's time.
    const MAX_MARGIN: Duration = Duration::from_millis(200);

    /// What a driver can give that waits for `patience`: all but the time that the answer takes to come back.
    #[must_use]
    pub fn within(patience: Duration) -> Self {
        let margin = (patience / 10).min(Self::MAX_MARGIN);
        Self(patience.saturating_sub(margin).min(Self::MOST))
    }

    /// The budget that a request's header says.
    ///
    /// # Errors
    /// [`BadBudget`] if it says something else.
    pub fn from_header(header: Option<&str>) -> Result<Self, BadBudget> {
        header.map_or(Ok(Self(Self::USUAL)), str::parse)
    }

    /// How long a call may take.
    #[must_use]
    pub fn duration(self) -> Duration {
        self.0
    }

    /// As the header says it.
    #[must_use]
    pub fn milliseconds(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }
}

impl FromStr for Budget {
    type Err = BadBudget;

    fn from_str(text: &str) -> Result<Self, BadBudget> {
        let milliseconds = text.parse().map_err(|_| BadBudget)?;
        Ok(Self(Duration::from_millis(milliseconds).min(Self::MOST)))
    }
}

/// One call in a request, with the client's request that caused it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Call<T> {
    /// What the client's request is called in every log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<CorrelationId>,
    /// Where the client's request stands in its trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<TraceParent>,
    /// What is asked for.
    pub request: T,
}

impl<T> Call<T> {
    /// A call for what this task does.
    pub fn new(request: T) -> Self {
        let (correlation_id, traceparent) = match Cause::current() {
            Some(cause) => (Some(cause.correlation_id), cause.traceparent),
            None => (None, None),
        };
        Self {
            correlation_id,
            traceparent,
            request,
        }
    }

    /// What caused it.
    pub(crate) fn cause(&self) -> Cause {
        match &self.correlation_id {
            Some(correlation_id) => Cause {
                correlation_id: correlation_id.clone(),
                traceparent: self.traceparent.clone(),
            },
            None => Cause::current().unwrap_or_default(),
        }
    }
}

/// What became of one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply<A> {
    /// The participant's answer.
    Done(A),
    /// No answer, because too much waits; a part of the call may have happened. Asking again later is safe.
    Overloaded,
    /// No answer; the call may or may not have happened. Asking again is safe.
    Failed(String),
}

impl<A> Reply<A> {
    /// A call that failed, and as much of the cause as a reply has room for.
    #[must_use]
    pub fn failed(cause: impl Into<String>) -> Self {
        let mut cause = cause.into();
        if let Some((end, _)) = cause.char_indices().find(|(at, c)| at + c.len_utf8() > MAX_CAUSE_BYTES) {
            cause.truncate(end);
        }
        Self::Failed(cause)
    }

    /// The answer, or why there is none.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn into_answer(self) -> Result<A, CallError> {
        match self {
            Self::Done(answer) => Ok(answer),
            Self::Overloaded => Err(CallError::Overloaded),
            Self::Failed(cause) => Err(CallError::Failed(cause)),
        }
    }
}

impl<A> From<Result<A, EngineError>> for Reply<A> {
    fn from(answer: Result<A, EngineError>) -> Self {
        match answer {
            Ok(answer) => Self::Done(answer),
            Err(EngineError::Overloaded) => Self::Overloaded,
            Err(error) => Self::failed(error.to_string()),
        }
    }
}

/// A reply, and which of the request's calls it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbered<A> {
    /// The call's place in the request, from 0.
    pub index: usize,
    /// What became of it.
    pub reply: Reply<A>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_shorter_than_the_patience_and_has_a_bound() {
        let millis = Duration::from_millis;
        for (patience, budget) in [(10, 9), (1_000, 900), (2_000, 1_800), (60_000, 59_800)] {
            assert_eq!(Budget::within(millis(patience)).milliseconds(), budget);
        }
        assert_eq!(Budget::from_header(Some("18")).map(Budget::duration), Ok(millis(18)));
        assert_eq!(
            Budget::from_header(Some("18446744073709551615")).map(Budget::duration),
            Ok(Budget::MOST)
        );
        assert_eq!(Budget::from_header(None).map(Budget::duration), Ok(Budget::USUAL));
        for bad in ["", "-1", "1.5", "soon"] {
            assert_eq!(Budget::from_header(Some(bad)), Err(BadBudget), "{bad}");
        }
    }

    #[test]
    fn a_failure_tells_no_more_of_its_cause_than_a_reply_has_room_for() {
        for cause in ["\u{1}", "é", "\""] {
            let reply: Reply<()> = Reply::failed(cause.repeat(10_000));
            let line = serde_json::to_vec(&Numbered {
                index: MAX_CALLS,
                reply,
            })
            .map(|line| line.len());
            assert!(
                line.is_ok_and(|length| (MAX_CAUSE_BYTES..MAX_REPLY_BYTES).contains(&length)),
                "{cause:?}"
            );
        }
    }
}
