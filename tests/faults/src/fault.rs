//! What can go wrong, and where.

use domain::ServiceName;
use harness::Trouble;
use serde::Serialize;

/// How many replicas each service has.
pub(crate) const REPLICAS: usize = 2;

/// The services that run, in the order in which they start: order comes last, for it calls the others.
pub(crate) const PARTS: [ServiceName; 3] = [ServiceName::Stock, ServiceName::Payment, ServiceName::Order];

/// A connection between two services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Link {
    /// From the clients to a replica.
    Public(ServiceName, usize),
    /// From the order replicas to a replica of stock or payment.
    Internal(ServiceName, usize),
    /// From a replica to its service's Redis.
    Redis(ServiceName, usize),
}

/// How far a clock is set off at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    /// A minute ahead: farther than a lease and a deadline.
    MinuteAhead,
    /// A minute behind.
    MinuteBehind,
    /// An hour ahead: as far as anything finished is remembered.
    HourAhead,
    /// An hour behind.
    HourBehind,
}

impl Step {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::MinuteAhead, Self::MinuteBehind, Self::HourAhead, Self::HourBehind];

    /// In milliseconds.
    #[must_use]
    pub(crate) fn offset(self) -> i64 {
        const MINUTE: i64 = 60_000;
        match self {
            Self::MinuteAhead => MINUTE,
            Self::MinuteBehind => -MINUTE,
            Self::HourAhead => 60 * MINUTE,
            Self::HourBehind => -60 * MINUTE,
        }
    }
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fault {
    /// A replica is killed, and started again afterwards.
    Kill(ServiceName, usize),
    /// A replica is asked to end, and started again afterwards.
    Terminate(ServiceName, usize),
    /// A replica stands still, longer than a lease.
    Pause(ServiceName, usize),
    /// A replica's clock is off by so many milliseconds.
    Clock(ServiceName, usize, i64),
    /// A replica's clock makes a large step: for some seconds, or for the rest of the schedule.
    ClockStep(ServiceName, usize, Step),
    /// A connection is in trouble.
    Wire(Link, Trouble),
    /// All connections that are open now carry nothing any more, in either direction, until somebody closes them:
    /// what they are sent is acknowledged and thrown away. New ones work. Nothing ends it.
    Silence(Link),
    /// A Redis is killed, and started again afterwards.
    KillRedis(ServiceName),
    /// A Redis stands still.
    PauseRedis(ServiceName),
    /// A Redis refuses to write: it thinks it is a replica.
    ReadOnly(ServiceName),
    /// A Redis refuses to write: it holds more than it may.
    OutOfMemory(ServiceName),
    /// A Redis has room for so many bytes more, and then refuses to write.
    NearlyOutOfMemory(ServiceName, u64),
    /// A Redis is killed, and answers that it is loading after it was started again.
    Loading(ServiceName),
    /// A Redis cannot append to its file any more, as on a full disk: it ends, and is started again afterwards.
    FullDisk(ServiceName),
    /// The bus is killed, and started again afterwards.
    KillBus,
    /// The bus stands still.
    PauseBus,
    /// The bus refuses to write: it holds more than it may.
    BusOutOfMemory,
}
