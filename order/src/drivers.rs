//! The checkouts that a process has under way for clients: how many there may be, and their end at a stop.

use std::sync::Arc;

use metrics::{Gauge, gauge};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// The checkouts under way.
///
/// They have a bound of their own, below the one of all calls: when a participant stands still, every checkout waits,
/// and the other calls must still be served. A checkout counts until its client has its answer *and* its driver has
/// come to an end, so that clients who hang up and come again cannot have more drivers than that.
#[derive(Clone)]
pub(crate) struct Drivers {
    places: Arc<Semaphore>,
    under_way: Gauge,
    stop: CancellationToken,
}

/// The place of one checkout. Its clones are the same place: it is free once all of them are gone.
#[derive(Clone)]
pub(crate) struct Place {
    _counted: Arc<Counted>,
}

/// A permit that is counted while it is held.
struct Counted {
    _permit: OwnedSemaphorePermit,
    under_way: Gauge,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.under_way.decrement(1.0);
    }
}

impl Drivers {
    pub(crate) fn new(max: u32) -> Self {
        Self {
            places: Arc::new(Semaphore::new(max as usize)),
            under_way: gauge!("holdfast_checkouts_under_way"),
            stop: CancellationToken::new(),
        }
    }

    /// A place for one more checkout, unless there are as many as there may be.
    pub(crate) fn admit(&self) -> Option<Place> {
        let permit = self.places.clone().try_acquire_owned().ok()?;
        self.under_way.increment(1.0);
        Some(Place {
            _counted: Arc::new(Counted {
                _permit: permit,
                under_way: self.under_way.clone(),
            }),
        })
    }

    /// Does `work` in a task of its own, which goes on when its client hangs up, and holds its place until then.
    /// It gives nothing if it was abandoned.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        place: Place,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<Option<T>> {
        // A child: what is polled with every step has its own lock, and not one that all drivers share.
        let stop = self.stop.child_token();
        tokio::spawn(async move {
            let done = stop.run_until_cancelled(work).await;
            drop(place);
            done
        })
    }

    /// Drops every driver, wherever it is, for a process that has to end.
    ///
    /// A driver may be dropped between any two steps, as it may be killed there: each step is safe to repeat, the
    /// order's record says how far the saga is, and recovery, here or in another process, takes it over from there.
    pub(crate) fn abandon(&self) {
        self.stop.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_place_is_taken_until_both_the_client_and_the_driver_are_done() {
        let drivers = Drivers::new(1);
        let place = drivers.admit().expect("the only place");
        let (finish, finished) = tokio::sync::oneshot::channel::<()>();
        let driver = drivers.spawn(place.clone(), finished);
        assert!(drivers.admit().is_none());
        drop(place);
        assert!(drivers.admit().is_none(), "the client has gone, and its driver goes on");
        finish.send(()).expect("the driver waits");
        driver.await.expect("no panic");
        assert!(drivers.admit().is_some());
    }

    #[tokio::test]
    async fn drivers_that_wait_for_ever_end_when_they_are_abandoned() {
        let drivers = Drivers::new(1);
        let place = drivers.admit().expect("the only place");
        let driver = drivers.spawn(place, std::future::pending::<()>());
        drivers.abandon();
        assert_eq!(driver.await.expect("no panic"), None);
        assert!(drivers.admit().is_some());
    }
}
