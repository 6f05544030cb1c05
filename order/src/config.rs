//! Order's own settings: the saga's times.

use clap::{Args, builder::TypedValueParser};
use domain::Millis;
use ledger::{BadTerms, Terms};

use crate::lease::Leases;

/// The longest deadline. [`Terms::check_for`] says what it asks of the terms.
const MAX_DEADLINE_MS: u64 = 30 * 60 * 1_000;

/// How long the saga's parts may take, and how many there may be.
///
/// Within their bounds, none of them decides whether a saga is correct, only when somebody tries again.
#[derive(Debug, Clone, Args)]
pub struct SagaConfig {
    /// How long a saga's first driver is left alone before another one takes the saga over. Each later one has twice as
    /// long, up to half a minute or four times this.
    #[arg(long = "lease-ms", value_name = "MILLIS", env = "SAGA_LEASE_MS", default_value_t = SagaConfig::DEFAULT.lease, value_parser = clap::value_parser!(u64).range(100..=600_000).map(Millis::new))]
    pub lease: Millis,
    /// How old a saga may become before it is given up.
    #[arg(long = "deadline-ms", value_name = "MILLIS", env = "SAGA_DEADLINE_MS", default_value_t = SagaConfig::DEFAULT.deadline, value_parser = clap::value_parser!(u64).range(100..=MAX_DEADLINE_MS).map(Millis::new))]
    pub deadline: Millis,
    /// How long one request to a participant may take.
    #[arg(long = "call-timeout-ms", value_name = "MILLIS", env = "CALL_TIMEOUT_MS", default_value_t = SagaConfig::DEFAULT.call_timeout, value_parser = clap::value_parser!(u64).range(10..=60_000).map(Millis::new))]
    pub call_timeout: Millis,
    /// How long a client waits for a saga to be decided before it hears that it is not.
    #[arg(long = "client-patience-ms", value_name = "MILLIS", env = "CLIENT_PATIENCE_MS", default_value_t = SagaConfig::DEFAULT.client_patience, value_parser = clap::value_parser!(u64).range(10..=600_000).map(Millis::new))]
    pub client_patience: Millis,
    /// How many checkouts may be under way for clients at once, fewer than `MAX_CALLS`. One more is refused at once.
    #[arg(long, env = "MAX_CHECKOUTS", default_value_t = SagaConfig::DEFAULT.max_checkouts, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_checkouts: u32,
    /// How many clients may follow orders' events at once. One more is refused at once.
    #[arg(long, env = "MAX_EVENT_STREAMS", default_value_t = SagaConfig::DEFAULT.max_event_streams, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub max_event_streams: u32,
    /// How often unfinished sagas are looked for.
    #[arg(long = "recovery-interval-ms", value_name = "MILLIS", env = "RECOVERY_INTERVAL_MS", default_value_t = SagaConfig::DEFAULT.recovery_interval, value_parser = clap::value_parser!(u64).range(10..=60_000).map(Millis::new))]
    pub recovery_interval: Millis,
    /// The terms that requests and records keep to.
    #[command(flatten)]
    pub terms: Terms,
}

impl SagaConfig {
    const DEFAULT: Self = Self {
        lease: Millis::new(5_000),
        deadline: Millis::new(30_000),
        call_timeout: Millis::new(2_000),
        client_patience: Millis::new(8_000),
        max_checkouts: 1_024,
        max_event_streams: 1_000,
        recovery_interval: Millis::new(500),
        terms: Terms::DEFAULT,
    };
}

impl Default for SagaConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Checkouts that wait for a participant that stands still could keep all other calls out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "MAX_CHECKOUTS ({checkouts}) is not below MAX_CALLS ({calls}): while checkouts wait, there have to be calls left for everything else"
)]
pub struct TooManyCheckouts {
    /// How many checkouts may be under way.
    checkouts: u32,
    /// How many calls may be served at once.
    calls: u32,
}

/// Times of which each is allowed, and that make no sense together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSagaTimes {
    /// A driver that waits for one answer would be overtaken, and its successor likewise.
    #[error(
        "CALL_TIMEOUT_MS ({call} ms) is longer than SAGA_LEASE_MS ({lease} ms): a driver has to be left alone for at least one call"
    )]
    Call {
        /// How long a call may take.
        call: Millis,
        /// How long a driver is left alone.
        lease: Millis,
    },
    /// A saga whose driver has died would be given up before anybody could take it over.
    #[error(
        "SAGA_LEASE_MS ({lease} ms) is not shorter than SAGA_DEADLINE_MS ({deadline} ms): a saga has to be taken over before it is given up"
    )]
    Lease {
        /// How long a driver is left alone.
        lease: Millis,
        /// How old a saga may become.
        deadline: Millis,
    },
    /// Words would count too long, or records stay too short.
    #[error(transparent)]
    Terms(#[from] BadTerms),
}

impl SagaConfig {
    /// Whether its times make sense together.
    ///
    /// # Errors
    /// The rule that is broken.
    pub fn check(&self) -> Result<(), BadSagaTimes> {
        let (call, lease, deadline) = (self.call_timeout, self.lease, self.deadline);
        if call > lease {
            return Err(BadSagaTimes::Call { call, lease });
        }
        if lease >= deadline {
            return Err(BadSagaTimes::Lease { lease, deadline });
        }
        Ok(self.terms.check_for(self.deadline, self.lease)?)
    }

    /// Whether its checkouts leave room for other calls, of which so many are served at once.
    ///
    /// # Errors
    /// They do not.
    pub fn check_room(&self, calls: u32) -> Result<(), TooManyCheckouts> {
        let checkouts = self.max_checkouts;
        if checkouts >= calls {
            return Err(TooManyCheckouts { checkouts, calls });
        }
        Ok(())
    }

    /// How long each driver is left alone.
    #[must_use]
    pub fn leases(&self) -> Leases {
        Leases::new(self.lease.duration(), self.terms.drive_max_age.duration())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_make_no_sense_together_are_refused_with_the_rule() {
        let times = |call_timeout, lease, deadline| SagaConfig {
            lease: Millis::new(lease),
            deadline: Millis::new(deadline),
            call_timeout: Millis::new(call_timeout),
            ..SagaConfig::default()
        };
        assert_eq!(SagaConfig::default().check(), Ok(()));
        assert_eq!(times(500, 500, 501).check(), Ok(()));
        assert!(matches!(times(501, 500, 9_000).check(), Err(BadSagaTimes::Call { .. })));
        assert!(matches!(
            times(10, 600_000, 100).check(),
            Err(BadSagaTimes::Lease { .. })
        ));
        assert!(matches!(times(10, 500, 500).check(), Err(BadSagaTimes::Lease { .. })));
    }

    #[test]
    fn checkouts_that_would_leave_no_room_for_other_calls_are_refused() {
        let config = SagaConfig::default();
        assert!(config.check_room(config.max_checkouts + 1).is_ok());
        assert!(config.check_room(config.max_checkouts).is_err());
    }
}
