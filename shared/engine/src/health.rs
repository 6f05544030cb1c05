//! How a lane is doing: its metrics, and what readiness says of it.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use tokio::time::Instant;

/// A lane that has tried for so long and committed nothing is ill.
const STALLED_AFTER: Duration = Duration::from_secs(5);

/// What is wrong with a lane. Commands are still taken, and heal it if they can.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ailment {
    /// It tries, and nothing has been committed for a while.
    #[error("lane {lane} has committed nothing for {seconds} s")]
    Stalled {
        /// The lane's number.
        lane: usize,
        /// Since when, in seconds.
        seconds: u64,
    },
    /// Redis refuses to write.
    #[error("lane {lane} is refused by the store: {cause}")]
    Refused {
        /// The lane's number.
        lane: usize,
        /// Redis's own code for it: OOM, MISCONF, NOPERM, ...
        cause: String,
    },
    /// It has ended although the engine goes on.
    #[error("lane {lane} has ended")]
    Ended {
        /// The lane's number.
        lane: usize,
    },
}

/// Whether an engine's lanes do their work. Does not keep the engine from ending.
#[derive(Clone)]
pub struct Health(Arc<[Arc<Pulse>]>);

impl Health {
    pub(super) fn new(pulses: Vec<Arc<Pulse>>) -> Self {
        Self(pulses.into())
    }

    /// Looks at every lane.
    ///
    /// # Errors
    /// What is wrong with the first that is ill.
    pub fn check(&self) -> Result<(), Ailment> {
        let now = Instant::now();
        let mut ailments = self.0.iter().enumerate();
        match ailments.find_map(|(lane, pulse)| pulse.ailment(lane, now)) {
            Some(ailment) => Err(ailment),
            None => Ok(()),
        }
    }
}

/// What a lane tells of itself, readable from elsewhere.
pub(super) struct Pulse {
    born: Instant,
    /// When the first try failed since the last one that did not, in milliseconds from `born` and one more. Nothing: 0.
    failing_since: AtomicU64,
    refused: Mutex<Option<String>>,
    ended: AtomicBool,
}

impl Pulse {
    fn new() -> Self {
        Self {
            born: Instant::now(),
            failing_since: AtomicU64::new(0),
            refused: Mutex::default(),
            ended: AtomicBool::new(false),
        }
    }

    fn millis(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.born).as_millis();
        u64::try_from(since).unwrap_or(u64::MAX - 1) + 1
    }

    /// A try has failed. Returns for how long all have.
    fn failed(&self, now: Instant) -> Duration {
        let now = self.millis(now);
        let first = self
            .failing_since
            .compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        Duration::from_millis(now.saturating_sub(first.err().unwrap_or(now)))
    }

    fn passed(&self) {
        self.failing_since.store(0, Ordering::Relaxed);
    }

    fn is_failing(&self) -> bool {
        self.failing_since.load(Ordering::Relaxed) > 0
    }

    fn refuse(&self, code: Option<&str>) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = code.map(ToOwned::to_owned);
    }

    /// That its lane has ended.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    fn ailment(&self, lane: usize, now: Instant) -> Option<Ailment> {
        if self.ended.load(Ordering::Relaxed) {
            return Some(Ailment::Ended { lane });
        }
        if let Some(cause) = self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            return Some(Ailment::Refused { lane, cause });
        }
        // A lane whose last try failed goes on trying by itself, so this ends when it is over.
        let since = self.failing_since.load(Ordering::Relaxed);
        let stalled = Duration::from_millis(self.millis(now).saturating_sub(since));
        (since > 0 && stalled >= STALLED_AFTER).then_some(Ailment::Stalled {
            lane,
            seconds: stalled.as_secs(),
        })
    }
}

/// What a lane counts, and tells to readiness and to the log.
pub(super) struct Report {
    lane: String,
    pulse: Arc<Pulse>,
    /// Redis refuses to write, with this code. Logged once, not with each batch.
    refused: Option<String>,
    commands: Counter,
    batches: Counter,
    batch_size: Histogram,
    conflicts: Counter,
    yields: Counter,
    lost_answers: Counter,
    restarts: Counter,
    stalled: Gauge,
}

impl Report {
    pub(super) fn new(number: u16) -> Self {
        let lane = number.to_string();
        Self {
            pulse: Arc::new(Pulse::new()),
            refused: None,
            commands: counter!("holdfast_lane_commands_total", "lane" => lane.clone()),
            batches: counter!("holdfast_lane_batches_total", "lane" => lane.clone()),
            batch_size: histogram!("holdfast_lane_batch_commands", "lane" => lane.clone()),
            conflicts: counter!("holdfast_lane_conflicts_total", "lane" => lane.clone()),
            yields: counter!("holdfast_lane_yields_total", "lane" => lane.clone()),
            lost_answers: counter!("holdfast_lane_lost_answers_total", "lane" => lane.clone()),
            restarts: counter!("holdfast_lane_restarts_total", "lane" => lane.clone()),
            stalled: gauge!("holdfast_lane_stalled_seconds", "lane" => lane.clone()),
            lane,
        }
    }

    pub(super) fn pulse(&self) -> Arc<Pulse> {
        self.pulse.clone()
    }

    /// Counts the commands that are taken from the queue.
    pub(super) fn taken(&self) -> Counter {
        self.commands.clone()
    }

    pub(super) fn sent(&self) {
        self.batches.increment(1);
    }

    /// A batch has been answered; `wrote` tells that Redis took its changes.
    pub(super) fn passed(&mut self, commands: usize, wrote: bool) {
        #[expect(clippy::cast_precision_loss, reason = "a batch is far smaller than 2^52")]
        self.batch_size.record(commands as f64);
        self.pulse.passed();
        self.stalled.set(0.0);
        if wrote && self.refused.take().is_some() {
            tracing::info!(lane = self.lane, "the store takes changes again");
            self.pulse.refuse(None);
        }
    }

    pub(super) fn failed(&self, now: Instant) {
        self.stalled.set(self.pulse.failed(now).as_secs_f64());
    }

    pub(super) fn conflicted(&self) {
        self.conflicts.increment(1);
    }

    pub(super) fn yielded(&self) {
        self.yields.increment(1);
    }

    pub(super) fn lost(&self) {
        self.lost_answers.increment(1);
    }

    pub(super) fn restarted(&self) {
        self.restarts.increment(1);
    }

    pub(super) fn refused(&mut self, code: &str, cause: &str) {
        counter!("holdfast_lane_refused_total", "lane" => self.lane.clone(), "reason" => code.to_owned()).increment(1);
        if self.refused.as_deref() != Some(code) {
            tracing::error!(lane = self.lane, cause, "the store refuses changes");
            self.pulse.refuse(Some(code));
            self.refused = Some(code.to_owned());
        }
    }

    /// Whether Redis has said that it is full, and not written since.
    pub(super) fn is_full(&self) -> bool {
        self.refused.as_deref() == Some("OOM")
    }

    /// Whether the last try failed, or Redis has refused to write and not written since: only another try can tell that it
    /// is over, and nobody may ask for one.
    pub(super) fn is_failing(&self) -> bool {
        self.refused.is_some() || self.pulse.is_failing()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(pulse: &Pulse, seconds: u64) -> Instant {
        pulse.born + Duration::from_secs(seconds)
    }

    #[test]
    fn a_lane_that_tries_and_never_commits_is_ill_until_it_does() {
        let pulse = Pulse::new();
        for second in 0..8 {
            pulse.failed(after(&pulse, second));
            let ill = pulse.ailment(3, after(&pulse, second));
            match second {
                0..5 => assert_eq!(ill, None),
                seconds => assert_eq!(ill, Some(Ailment::Stalled { lane: 3, seconds })),
            }
        }
        pulse.passed();
        assert_eq!(pulse.ailment(3, after(&pulse, 8)), None);
        // And begins anew.
        assert_eq!(pulse.failed(after(&pulse, 60)), Duration::ZERO);
        assert_eq!(pulse.ailment(3, after(&pulse, 60)), None);
    }
}
