//! Who a consumer is, and its bounds.

use std::time::Duration;

use domain::Backoff;

use crate::Topic;

/// How long an ownership may last that is not renewed, at most. A clock that was set back makes a dead consumer's
/// ownership last so long, and no longer.
pub(super) const LONGEST_LEASE: Duration = Duration::from_secs(60);

/// How long a handler may take before its partition may be taken over, beyond its timeout: for its end to be noticed.
const MARGIN: Duration = Duration::from_secs(5);

/// Whether an event may be handled twice if nobody can know whether it was handled once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeats {
    /// Yes: the handler is idempotent, or a repetition does no harm.
    Allowed,
    /// No: an event whose handling has begun and has no known end (its consumer died, its time was over, it panicked)
    /// becomes a dead letter, for a person to decide. Each try costs two more commands on the bus.
    Never,
}

/// Who a consumer is, and its bounds.
#[derive(Debug, Clone)]
pub struct ConsumerConfig {
    /// Whose work it is. Each group handles all events of its topics; the consumers of a group share them.
    pub group: String,
    /// Which of the group's consumers this is: stable over restarts, and of one process at a time.
    pub name: String,
    /// What the group wants to know of.
    pub topics: Vec<Topic>,
    /// How long one try may take.
    pub handler_timeout: Duration,
    /// How often an event is tried before it becomes a dead letter.
    pub max_tries: u32,
    /// How often a consumer may die while it handles an event, and nothing else, before the event becomes a dead letter.
    /// Events are handled so if the entry that they are in was pending at three deaths already.
    pub max_deaths: u32,
    /// The waits between the tries. Together with `max_tries` it decides how long a failure is sat out.
    pub backoff: Backoff,
    /// How many events are handled at the same time. Waiting for the next try does not count.
    pub at_once: usize,
    /// How many entries (of a few events each) of one partition are read and not yet acknowledged. Later events of a
    /// subject that is being retried are among them; when they are all, the partition is not read for now.
    pub ahead: usize,
    /// How many dead letters of one partition are kept. Of more, the oldest are cut away: counted and logged.
    pub max_letters: usize,
    /// Whether an event may be handled twice.
    pub repeats: Repeats,
    /// How long a consumer owns a partition without renewing it, at most a minute. A dead one's partitions are free
    /// after it. The same for all consumers of a group.
    pub lease: Duration,
}

impl ConsumerConfig {
    /// A consumer with the default bounds. It sits out a failure of more than an hour: 100 tries with 50 s between most, on average.
    #[must_use]
    pub fn new(group: impl Into<String>, name: impl Into<String>, topics: impl IntoIterator<Item = Topic>) -> Self {
        Self {
            group: group.into(),
            name: name.into(),
            topics: topics.into_iter().collect(),
            handler_timeout: Duration::from_secs(10),
            max_tries: 100,
            max_deaths: 3,
            backoff: Backoff {
                min: Duration::from_millis(100),
                max: Duration::from_secs(100),
            },
            at_once: 64,
            ahead: 256,
            max_letters: 10_000,
            repeats: Repeats::Allowed,
            lease: Duration::from_secs(10),
        }
    }

    /// How long whoever takes over from a dead owner waits, so that the last try of the dead one has surely ended.
    pub(super) fn handler_bound(&self) -> Duration {
        self.handler_timeout + MARGIN
    }

    /// How many handlers may be at work at the same time.
    pub(super) fn places(&self) -> u32 {
        u32::try_from(self.at_once.max(1)).unwrap_or(u32::MAX)
    }

    /// How long an ownership lasts.
    pub(super) fn lease(&self) -> Duration {
        self.lease.min(LONGEST_LEASE)
    }

    /// How often ownership is renewed and looked over.
    pub(super) fn tick(&self) -> Duration {
        (self.lease() / 10).max(Duration::from_millis(20))
    }

    /// How long Redis keeps a read waiting for events. So much shorter than a lease that no read of a former owner
    /// waits when its successor begins.
    pub(super) fn block(&self) -> Duration {
        (self.lease() / 4).min(Duration::from_secs(1))
    }
}
