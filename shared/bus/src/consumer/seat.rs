//! What the reader and a partition's worker share.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc},
    time::Instant,
};

use crate::{
    TopicPartition,
    replies::{Entry, EntryId},
};

/// What the reader tells a worker.
pub(super) enum Arrival {
    /// These came next.
    Entries(Vec<Entry>),
    /// A read broke: what it would have brought may be pending.
    Unclear,
}

impl Arrival {
    fn entries(&self) -> usize {
        match self {
            Self::Entries(entries) => entries.len(),
            Self::Unclear => 0,
        }
    }
}

/// One partition that this consumer owns.
pub(super) struct Seat {
    pub(super) partition: TopicPartition,
    pub(super) key: String,
    /// Bounded by `open` and `waiting`: nothing is read while the worker has enough.
    arrivals: mpsc::UnboundedSender<Arrival>,
    /// How many entries the worker has not looked at yet.
    waiting: AtomicUsize,
    /// Whether new entries may be read: what was pending is taken, and there is room.
    open: AtomicBool,
    /// Held by whoever reads, so that its worker knows when nobody does.
    gate: Arc<Semaphore>,
    /// Until when it is owned for sure.
    deadline: Mutex<Instant>,
    /// Whether the bus says that it is another's, and whoever renews it does not know that yet.
    is_lost: AtomicBool,
    /// Up to where it was read, as far as is known here.
    tip: Mutex<EntryId>,
}

impl Seat {
    pub(super) fn new(
        partition: TopicPartition,
        arrivals: mpsc::UnboundedSender<Arrival>,
        deadline: Instant,
    ) -> Arc<Self> {
        Arc::new(Self {
            key: partition.stream_key(),
            partition,
            arrivals,
            waiting: AtomicUsize::new(0),
            open: AtomicBool::new(false),
            gate: Arc::new(Semaphore::new(1)),
            deadline: Mutex::new(deadline),
            is_lost: AtomicBool::new(false),
            tip: Mutex::default(),
        })
    }

    /// Tells its worker. One that is gone leaves what it should have got pending.
    pub(super) fn send(&self, arrival: Arrival) {
        self.waiting.fetch_add(arrival.entries(), Ordering::AcqRel);
        let _ = self.arrivals.send(arrival);
    }

    /// How many entries the worker has not looked at yet.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }

    pub(super) fn deadline(&self) -> Instant {
        *lock(&self.deadline)
    }

    /// The bus was asked whose it is: it is owned until then.
    pub(super) fn extend(&self, deadline: Instant) {
        *lock(&self.deadline) = deadline;
        self.is_lost.store(false, Ordering::Release);
    }

    /// The bus says that it is another's. It is not read until the bus was asked again.
    pub(super) fn lose(&self) {
        self.is_lost.store(true, Ordering::Release);
    }

    /// Up to where it was read.
    pub(super) fn tip(&self) -> EntryId {
        *lock(&self.tip)
    }

    pub(super) fn has_read_to(&self, id: EntryId) {
        *lock(&self.tip) = id;
    }

    /// Nothing is read until it is opened again, beyond a read that is under way.
    pub(super) fn shut(&self) {
        self.open.store(false, Ordering::Release);
    }
}

/// A partition that is being read.
pub(super) struct Turn {
    pub(super) seat: Arc<Seat>,
    _reading: OwnedSemaphorePermit,
}

/// All partitions that this consumer owns.
#[derive(Default)]
pub(super) struct Seats {
    seats: Mutex<BTreeMap<TopicPartition, Arc<Seat>>>,
    /// Rung when the reader should look at them again.
    pub(super) bell: Notify,
}

impl Seats {
    pub(super) fn add(&self, seat: Arc<Seat>) {
        lock(&self.seats).insert(seat.partition, seat);
    }

    /// Lets new entries of the partition be read.
    pub(super) fn open(&self, seat: &Seat) {
        if !seat.open.swap(true, Ordering::AcqRel) {
            self.bell.notify_one();
        }
    }

    /// Ends the reading of a partition. When it returns, nobody reads it nor will.
    pub(super) async fn close(&self, seat: &Seat) {
        seat.shut();
        {
            let mut seats = lock(&self.seats);
            // The partition may have a new seat by now.
            if seats
                .get(&seat.partition)
                .is_some_and(|there| std::ptr::eq(&raw const **there, seat))
            {
                seats.remove(&seat.partition);
            }
        }
        self.bell.notify_one();
        if let Ok(gate) = seat.gate.acquire().await {
            gate.forget();
        }
    }

    /// The worker has looked at what arrived. `most` may wait for it before the reader does.
    pub(super) fn looked_at(&self, seat: &Seat, arrival: &Arrival, most: usize) {
        let entries = arrival.entries();
        let waited = seat.waiting.fetch_sub(entries, Ordering::AcqRel);
        if waited >= most && waited - entries < most {
            self.bell.notify_one();
        }
    }

    /// The partitions that may be read in a call that ends at `end`, whose workers keep up.
    pub(super) fn turn(&self, end: Instant, most: usize) -> Vec<Turn> {
        let may_read = |seat: &&Arc<Seat>| {
            let is_open = seat.open.load(Ordering::Acquire);
            let is_lost = seat.is_lost.load(Ordering::Acquire);
            is_open && !is_lost && seat.waiting() < most && seat.deadline() > end
        };
        let take = |seat: &Arc<Seat>| {
            let reading = seat.gate.clone().try_acquire_owned().ok()?;
            Some(Turn {
                seat: seat.clone(),
                _reading: reading,
            })
        };
        lock(&self.seats).values().filter(may_read).filter_map(take).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
