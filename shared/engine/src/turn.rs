//! Turns: how rivals let each other pass.
//!
//! Between two lanes that write the same record, the one that is quicker from WATCH to EXEC always comes first. The
//! slower one then never commits, however often it tries. So a lane that keeps losing takes a turn, a key of its own
//! that says so for a moment; the others read it with every load, and wait until it is gone.
//!
//! A turn is advice: correctness never depends on it, only on WATCH. It goes with the batch that needed it, or by its
//! own expiry if its lane is gone, and it costs nothing but a read if nobody needs one.

use std::time::Duration;

use bytes::Bytes;
use fred::bytes_utils::Str;
use tokio::time::Instant;

use super::transaction::TurnRequest;

/// So many conflicts in a row show that a rival is always quicker.
const LOST: u32 = 3;
/// For so long a lane that has lost once too often takes turns at once.
const REMEMBERED: Duration = Duration::from_secs(5);
/// How often a lane's own window fits into its turn: a rival's EXEC that is already under way may cost it the first.
const WINDOWS: u32 = 3;
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(250);
/// A turn that lasts longer than any should is not respected: its key may never expire.
const RESPECTED: Duration = Duration::from_millis(500);
/// The longest pause in which a lane looks whether another's turn is over.
const LONGEST_PAUSE: Duration = Duration::from_millis(20);
/// A timer is no finer. What is shorter is not waited for: the way to Redis takes as long.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

pub(super) struct Turn {
    key: Str,
    /// What this lane's turns begin with, and nobody else's.
    mark: String,
    /// In a row.
    conflicts: u32,
    needed_until: Option<Instant>,
    /// How long it last took from WATCH to EXEC's answer.
    window: Duration,
    /// Leaves room to the others after a turn.
    not_before: Option<Instant>,
    /// It is this lane's turn, as the last load has found.
    is_held: bool,
    /// Another lane's turn, and since when it is respected.
    others: Option<(Bytes, Instant)>,
}

impl Turn {
    /// `tag` is the hash tag of a partition that the lane serves, `instance` is unique to the lane.
    pub(super) fn new(tag: &str, instance: &str) -> Self {
        Self {
            key: format!("turn:{{{tag}}}").into(),
            mark: format!("{instance}-"),
            conflicts: 0,
            needed_until: None,
            window: Duration::ZERO,
            not_before: None,
            is_held: false,
            others: None,
        }
    }

    /// The turn's key, if it is this lane's turn.
    pub(super) fn held(&self) -> Option<&Str> {
        self.is_held.then_some(&self.key)
    }

    /// What the next load asks for. `number` makes the turn another than all before.
    pub(super) fn request(&mut self, number: u64, now: Instant) -> TurnRequest {
        let remembered = self.needed_until.is_some_and(|until| now < until);
        let may_take = self.not_before.is_none_or(|room| now >= room);
        let take = ((self.conflicts >= LOST || remembered) && may_take).then(|| {
            let own = format!("{}{number}", self.mark).into();
            (own, (self.window * WINDOWS).clamp(SHORTEST, LONGEST))
        });
        TurnRequest {
            key: self.key.clone(),
            take,
        }
    }

    /// Asks whose turn it is, and no more.
    pub(super) fn look(&self) -> TurnRequest {
        TurnRequest {
            key: self.key.clone(),
            take: None,
        }
    }

    /// Takes note of the turn that a load has found. Tells whether it is another lane's, which this one lets pass.
    pub(super) fn yields_to(&mut self, found: Option<&Bytes>, now: Instant) -> bool {
        self.is_held = found.is_some_and(|turn| turn.starts_with(self.mark.as_bytes()));
        let Some(turn) = found.filter(|_| !self.is_held) else {
            self.others = None;
            return false;
        };
        match &self.others {
            Some((last, since)) if last == turn => now.duration_since(*since) < RESPECTED,
            _ => {
                self.others = Some((turn.clone(), now));
                true
            }
        }
    }

    /// How long to wait for another's turn before looking again.
    pub(super) fn pause(&self) -> Option<Duration> {
        Some((self.window / 2).min(LONGEST_PAUSE)).filter(|pause| *pause >= SHORTEST_WAIT)
    }

    /// How long a lane that takes turns waits after one, so that the others come to theirs.
    pub(super) fn room(&self, now: Instant) -> Option<Duration> {
        let room = self.not_before?.checked_duration_since(now)?;
        (!room.is_zero()).then_some(room)
    }

    /// A rival came first, in a try that took so long. Returns how often in a row.
    pub(super) fn lost(&mut self, window: Duration, now: Instant) -> u32 {
        self.window = window;
        self.conflicts += 1;
        let remembered = self.needed_until.is_some_and(|until| now < until);
        if self.conflicts >= LOST || remembered {
            self.needed_until = Some(now + REMEMBERED);
        }
        self.conflicts
    }

    /// The lane has committed a batch, which took so long, and ended its turn with it if it had one.
    pub(super) fn committed(&mut self, window: Duration, now: Instant) {
        self.window = window;
        self.conflicts = 0;
        let room = (window / 2).min(LONGEST);
        self.not_before = (self.is_held && room >= SHORTEST_WAIT).then(|| now + room);
        self.is_held = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_millis(8);

    fn turn() -> Turn {
        Turn::new("t", "me")
    }

    fn bytes(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    #[test]
    fn a_turn_is_taken_by_who_keeps_losing_and_by_nobody_else() {
        let mut turn = turn();
        let now = Instant::now();
        assert!(turn.request(1, now).take.is_none());
        for _ in 1..LOST {
            turn.lost(WINDOW, now);
            assert!(turn.request(2, now).take.is_none());
        }
        turn.lost(WINDOW, now);
        let (own, kept) = turn.request(3, now).take.expect("a turn");
        assert_eq!((&*own, kept), ("me-3", WINDOW * WINDOWS));
        assert!(!turn.yields_to(Some(&bytes("me-3")), now) && turn.held().is_some());
        // The next try finds the same turn: it was not to be had twice.
        turn.lost(WINDOW, now);
        turn.request(4, now);
        assert!(!turn.yields_to(Some(&bytes("me-3")), now) && turn.held().is_some());
    }

    #[test]
    fn after_a_turn_the_others_come_to_theirs_and_then_it_is_taken_at_once() {
        let mut turn = turn();
        let now = Instant::now();
        (0..LOST).for_each(|_| _ = turn.lost(WINDOW, now));
        turn.yields_to(Some(&bytes("me-1")), now);
        turn.committed(WINDOW, now);
        assert_eq!(turn.room(now), Some(WINDOW / 2));
        assert!(turn.request(4, now).take.is_none());
        let later = now + WINDOW / 2;
        assert_eq!(turn.room(later), None);
        assert!(turn.request(5, later).take.is_some());
        // Without further rivals it is forgotten.
        assert!(turn.request(6, now + REMEMBERED).take.is_none());
    }

    #[test]
    fn anothers_turn_is_respected_for_as_long_as_it_may_last_and_no_longer() {
        let mut turn = turn();
        let now = Instant::now();
        assert!(!turn.yields_to(None, now));
        let other = bytes("other-1");
        assert!(turn.yields_to(Some(&other), now));
        assert!(turn.yields_to(Some(&other), now + LONGEST));
        assert!(!turn.yields_to(Some(&other), now + RESPECTED));
        assert!(
            turn.yields_to(Some(&bytes("other-2")), now + RESPECTED),
            "the next one is another"
        );
    }

    #[test]
    fn a_turns_time_is_bounded() {
        for (window, kept) in [(Duration::ZERO, SHORTEST), (Duration::from_secs(5), LONGEST)] {
            let mut turn = turn();
            let now = Instant::now();
            (0..LOST).for_each(|_| _ = turn.lost(window, now));
            assert_eq!(turn.request(1, now).take.expect("a turn").1, kept);
        }
    }
}
