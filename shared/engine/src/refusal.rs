//! What it means that Redis has turned a command or a transaction away.

use std::fmt;

/// An error that Redis answered in place of doing what was asked. Nothing of it was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    cause: String,
}

/// What helps against a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Time, and a new connection, perhaps to another server: the keys have moved, or the server is not ready.
    Reconnect,
    /// To write nothing but what frees memory: Redis is full.
    Free,
    /// A person.
    GiveUp,
}

impl Refusal {
    pub(super) fn new(cause: impl Into<String>) -> Self {
        Self { cause: cause.into() }
    }

    /// Of an error that EXEC itself was answered with: only if it says that the transaction was discarded.
    ///
    /// Sources: <https://redis.io/docs/latest/develop/using-commands/transactions/#errors-inside-a-transaction>,
    /// and `processCommand` and `rejectCommand` in Redis's server.c, which check these for EXEC by what was queued.
    pub(super) fn from_exec(answer: &str) -> Option<Self> {
        const DISCARDED: [&str; 14] = [
            "EXECABORT",
            "OOM",
            "READONLY",
            "MISCONF",
            "LOADING",
            "NOAUTH",
            "NOPERM",
            "MASTERDOWN",
            "CLUSTERDOWN",
            "NOREPLICAS",
            "BUSY",
            "MOVED",
            "ASK",
            "TRYAGAIN",
        ];
        DISCARDED.contains(&first_word(answer)).then(|| Self::new(answer))
    }

    /// The error's code, in capitals. EXECABORT names the code that made it so, if there is one.
    pub(super) fn code(&self) -> &str {
        let reason = self.cause.split_once("because of: ").map(|(_, reason)| reason);
        first_word(reason.unwrap_or(&self.cause))
    }

    pub(super) fn remedy(&self) -> Remedy {
        match self.code() {
            // An EXECABORT without a reason: what was not queued has said it before, or Redis is too old to.
            "LOADING" | "MOVED" | "ASK" | "TRYAGAIN" | "CLUSTERDOWN" | "MASTERDOWN" | "READONLY" | "BUSY"
            | "EXECABORT" => Remedy::Reconnect,
            "OOM" => Remedy::Free,
            _ => Remedy::GiveUp,
        }
    }

    pub(super) fn cause(&self) -> &str {
        &self.cause
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.cause)
    }
}

fn first_word(cause: &str) -> &str {
    let word = cause.split_whitespace().next().unwrap_or_default();
    word.trim_start_matches('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_by_itself_is_waited_out_and_what_does_not_is_given_up() {
        let remedies = [
            (Remedy::Reconnect, "MOVED 3999 127.0.0.1:6381"),
            (Remedy::Reconnect, "ASK 3999 127.0.0.1:6381"),
            (
                Remedy::Reconnect,
                "TRYAGAIN Multiple keys request during rehashing of slot",
            ),
            (Remedy::Reconnect, "CLUSTERDOWN The cluster is down"),
            (Remedy::Reconnect, "MASTERDOWN Link with MASTER is down"),
            (
                Remedy::Reconnect,
                "READONLY You can't write against a read only replica.",
            ),
            (Remedy::Reconnect, "BUSY Redis is busy running a script."),
            (Remedy::Reconnect, "LOADING Redis is loading the dataset in memory"),
            (Remedy::Free, "OOM command not allowed when used memory > 'maxmemory'."),
            (Remedy::GiveUp, "NOAUTH Authentication required."),
            (Remedy::GiveUp, "NOPERM this user has no permissions"),
            (Remedy::GiveUp, "MISCONF Redis is configured to save RDB snapshots"),
            (Remedy::GiveUp, "ERR unknown command"),
        ];
        for (remedy, cause) in remedies {
            assert_eq!(Refusal::new(cause).remedy(), remedy, "{cause}");
            // EXEC itself is answered so if the state has changed since the commands were queued.
            let aborted = format!("EXECABORT Transaction discarded because of: {cause}");
            assert_eq!(Refusal::new(aborted).remedy(), remedy, "{cause}");
        }
    }

    #[test]
    fn only_an_answer_that_says_so_tells_that_a_transaction_was_discarded() {
        for discarded in [
            "EXECABORT Transaction discarded",
            "MOVED 1 a:1",
            "ASK 1 a:1",
            "TRYAGAIN",
            "BUSY",
        ] {
            assert!(Refusal::from_exec(discarded).is_some(), "{discarded}");
        }
        assert_eq!(Refusal::from_exec("ERR EXEC without MULTI"), None);
        assert_eq!(Refusal::from_exec("WRONGTYPE"), None);
    }
}
