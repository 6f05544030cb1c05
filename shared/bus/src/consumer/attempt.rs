//! One try to handle an event, and what follows if it fails.

use std::{any::Any, panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt;

use super::{Handler, HandlerError, Repeats};
use crate::CloudEvent;

/// Why a try failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    #[error("{0}")]
    Retry(String),
    #[error("{0}")]
    Unavailable(String),
    #[error("rejected: {0}")]
    Reject(String),
    #[error("the handler panicked: {0}")]
    Panicked(String),
    #[error("the handler did not end within {0:?}")]
    TimedOut(Duration),
}

impl Failure {
    /// Whether it is one of the event's tries: one that could not be made is none.
    pub(super) fn counts(&self) -> bool {
        !matches!(self, Self::Unavailable(_))
    }

    /// Whether the handler itself said what became of the event.
    fn is_clear(&self) -> bool {
        matches!(self, Self::Retry(_) | Self::Unavailable(_) | Self::Reject(_))
    }
}

/// What follows a failed try.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Another one, after a wait.
    Again,
    /// The event becomes a dead letter.
    Bury,
}

/// What follows if a try failed that was number `tries` (from 1) of those that count.
pub(super) fn after(failure: &Failure, tries: u32, max_tries: u32, repeats: Repeats) -> Next {
    let may_repeat = repeats == Repeats::Allowed || failure.is_clear();
    match failure {
        Failure::Reject(_) => Next::Bury,
        Failure::Unavailable(_) => Next::Again,
        _ if may_repeat && tries < max_tries => Next::Again,
        _ => Next::Bury,
    }
}

/// Lets the handler handle an event, whatever it does.
pub(super) async fn attempt<H: Handler>(handler: &H, event: &CloudEvent, within: Duration) -> Result<(), Failure> {
    // The block makes a panic before the first wait one of the future, too.
    let guarded = AssertUnwindSafe(async { handler.handle(event).await }).catch_unwind();
    match tokio::time::timeout(within, guarded).await {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(HandlerError::Retry(reason)))) => Err(Failure::Retry(reason)),
        Ok(Ok(Err(HandlerError::Unavailable(reason)))) => Err(Failure::Unavailable(reason)),
        Ok(Ok(Err(HandlerError::Reject(reason)))) => Err(Failure::Reject(reason)),
        Ok(Err(panic)) => Err(Failure::Panicked(message(&*panic))),
        Err(_) => Err(Failure::TimedOut(within)),
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_repeated_and_is_not_rejected_is_tried_again() {
        let (retry, reject) = (Failure::Retry("later".into()), Failure::Reject("never".into()));
        let (panicked, hung) = (
            Failure::Panicked(String::new()),
            Failure::TimedOut(Duration::from_secs(1)),
        );
        let away = Failure::Unavailable("away".into());
        for repeats in [Repeats::Allowed, Repeats::Never] {
            assert_eq!(after(&away, 1_000, 3, repeats), Next::Again);
            assert_eq!(after(&retry, 1, 3, repeats), Next::Again);
            assert_eq!(after(&retry, 3, 3, repeats), Next::Bury);
            assert_eq!(after(&reject, 1, 3, repeats), Next::Bury);
        }
        for unclear in [panicked, hung] {
            assert_eq!(after(&unclear, 2, 3, Repeats::Allowed), Next::Again);
            assert_eq!(after(&unclear, 3, 3, Repeats::Allowed), Next::Bury);
            assert_eq!(after(&unclear, 1, 3, Repeats::Never), Next::Bury);
        }
    }
}
