//! What order counts.

use metrics::{Counter, counter};

/// Order's counters.
#[derive(Clone)]
pub(crate) struct OrderMetrics {
    pub(crate) paid: Counter,
    pub(crate) rejected: Counter,
    pub(crate) undecided: Counter,
    pub(crate) busy: Counter,
    /// Sagas that this process has taken over.
    pub(crate) taken_over: Counter,
    /// Drivers that have panicked; their sagas are left to recovery.
    pub(crate) broken: Counter,
    pub(crate) recovery: RecoveryMetrics,
}

/// What goes wrong in recovery itself.
#[derive(Clone)]
pub(crate) struct RecoveryMetrics {
    /// Workers that have panicked and were started again.
    pub(crate) restarts: Counter,
    /// Looks at an index that failed.
    pub(crate) failures: Counter,
    /// Entries that a person has to look at. Each is counted when it is first met.
    pub(crate) unreadable: Counter,
}

impl OrderMetrics {
    pub(crate) fn new() -> Self {
        let checkouts = |outcome| counter!("holdfast_checkouts_total", "outcome" => outcome);
        Self {
            paid: checkouts("paid"),
            rejected: checkouts("rejected"),
            undecided: checkouts("undecided"),
            busy: checkouts("busy"),
            taken_over: counter!("holdfast_sagas_taken_over_total"),
            broken: counter!("holdfast_drivers_broken_total"),
            recovery: RecoveryMetrics {
                restarts: counter!("holdfast_recovery_restarts_total"),
                failures: counter!("holdfast_recovery_failures_total"),
                unreadable: counter!("holdfast_recovery_unreadable_total"),
            },
        }
    }
}
