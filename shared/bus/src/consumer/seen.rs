//! Marks of events that must not be handled twice: that one was begun, and that it was done.

use super::Line;
use crate::{BusError, replies::text};

/// How long a mark is kept: longer than anybody waits before taking over what was left.
const KEPT_MILLIS: &str = "86400000";

const DONE: &str = "done";

/// What is known of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing: it was marked as begun.
    New,
    /// It was handled, and that was not acknowledged.
    Done,
    /// Somebody began with it, and nobody knows how it ended.
    Begun,
}

/// What an older mark means to whoever marks an event with `mine`.
fn known(older: Option<&str>, mine: &str) -> Known {
    match older {
        None => Known::New,
        // The answer to an earlier call was lost.
        Some(mark) if mark == mine => Known::New,
        Some(DONE) => Known::Done,
        Some(_) => Known::Begun,
    }
}

/// Marks an event as begun, unless there is a mark.
pub(super) async fn begin(line: &Line, key: &str, mine: &str) -> Result<Known, BusError> {
    let words = [key, mine, "NX", "GET", "PX", KEPT_MILLIS].map(str::as_bytes);
    let older = line.ask_one(|connection| connection.queue("SET", words)).await?;
    Ok(known(text(older).as_deref(), mine))
}

/// Marks an event as done.
pub(super) async fn done(line: &Line, key: &str) -> Result<(), BusError> {
    let words = [key, DONE, "PX", KEPT_MILLIS].map(str::as_bytes);
    line.ask(|connection| connection.queue("SET", words)).await.map(drop)
}

/// Takes the mark of an event away whose handler said that it did nothing.
pub(super) async fn undo(line: &Line, key: &str) -> Result<(), BusError> {
    line.ask(|connection| connection.queue("DEL", [key.as_bytes()]))
        .await
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_mark_of_somebody_else_who_did_not_end_is_in_doubt() {
        assert_eq!(known(None, "begun 1"), Known::New);
        assert_eq!(known(Some("begun 1"), "begun 1"), Known::New);
        assert_eq!(known(Some("begun 2"), "begun 1"), Known::Begun);
        assert_eq!(known(Some("done"), "begun 1"), Known::Done);
    }
}
