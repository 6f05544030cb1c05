//! Whether stock's and payment's stores take new sagas, as their answers tell.
//!
//! A participant whose store is nearly full refuses what is new, and its refusals are records themselves. So order does
//! not begin sagas that would be refused: after such a refusal it begins one a second, until one is paid.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// How long nothing is begun after a participant had no room.
const PAUSE: Duration = Duration::from_secs(1);

/// What the participants' last answers say of their room.
#[derive(Clone, Default)]
pub(crate) struct Room(Arc<Mutex<Option<Instant>>>);

impl Room {
    /// Whether a saga may be begun now. While there is no room, one a second may, to see.
    pub(crate) fn admits(&self, now: Instant) -> bool {
        let mut next = self.lock();
        match *next {
            Some(at) if now < at => false,
            Some(_) => {
                *next = Some(now + PAUSE);
                true
            }
            None => true,
        }
    }

    /// A participant had no room.
    pub(crate) fn is_missing(&self, now: Instant) {
        *self.lock() = Some(now + PAUSE);
    }

    /// Both participants had room.
    pub(crate) fn is_there(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn while_there_is_no_room_one_saga_a_second_is_begun() {
        let (room, mut now) = (Room::default(), Instant::now());
        assert!(room.admits(now) && room.admits(now));
        room.is_missing(now);
        for _ in 0..3 {
            assert!(!room.admits(now));
            now += PAUSE;
            assert!(room.admits(now), "one, to see");
            assert!(!room.admits(now), "and no more");
        }
        room.is_there();
        assert!(room.admits(now) && room.admits(now));
    }
}
