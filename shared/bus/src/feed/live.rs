//! One topic as it comes: a single reader, and many who each follow one subject.
//!
//! ```text
//! topic ──XREAD BLOCK──> reader ──by subject──> follower: what the topic has already, then what comes
//! ```
//!
//! A follower trusts numbers alone: what it has seen is skipped, and if a number is missing, it reads the topic again. The
//! reader reads only while somebody follows, because all of a topic is much for nobody.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::Backoff;
use engine::{parse_events, store::connection::Connection};
use futures::{Stream, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{
    history::history,
    query::{partition_of, topics},
};
use crate::{
    Bus, BusError, CloudEvent, Topic,
    replies::{EntryId, answered, array, entry, streams},
};

/// How long a read waits before it is made again.
const WAIT: Duration = Duration::from_millis(500);
/// How many events may wait for a follower. One that is slower reads the topic again.
const BACKLOG: usize = 64;
const FAILURES: Backoff = Backoff {
    min: Duration::from_millis(50),
    max: Duration::from_secs(1),
};

/// As many streams are open as may be at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this service already has as many event streams open as it may have")]
pub struct TooManyStreams;

/// A topic as it comes. Cheap to clone.
#[derive(Clone)]
pub struct LiveFeed(Arc<Shared>);

struct Shared {
    bus: Bus,
    topic: Topic,
    places: Arc<Semaphore>,
    followers: Mutex<HashMap<String, Vec<mpsc::Sender<CloudEvent>>>>,
    /// How many follow.
    following: watch::Sender<usize>,
    stop: CancellationToken,
}

impl LiveFeed {
    /// Of this topic, for at most so many followers at once. [`LiveFeed::run`] has to run.
    #[must_use]
    pub fn new(bus: Bus, topic: Topic, max_streams: usize) -> Self {
        Self(Arc::new(Shared {
            bus,
            topic,
            places: Arc::new(Semaphore::new(max_streams)),
            followers: Mutex::default(),
            following: watch::Sender::new(0),
            stop: CancellationToken::new(),
        }))
    }

    /// Reads until `stop`, which ends every stream.
    pub async fn run(self, stop: CancellationToken) {
        stop.run_until_cancelled(self.0.read_while_followed()).await;
        self.0.stop.cancel();
        self.0.followers().clear();
    }

    /// The subject's events with numbers above `after`: those that the topic still has, and then each that comes, until
    /// whoever reads it goes away or the service stops.
    ///
    /// # Errors
    /// [`TooManyStreams`].
    pub fn follow(
        &self,
        subject: String,
        after: u64,
    ) -> Result<impl Stream<Item = CloudEvent> + Send + use<>, TooManyStreams> {
        let place = self.0.places.clone().try_acquire_owned().map_err(|_| TooManyStreams)?;
        self.0.following.send_modify(|following| *following += 1);
        let follower = Follower {
            shared: self.0.clone(),
            subject,
            seen: after,
            coming: None,
            known: Vec::new().into_iter(),
            _place: place,
        };
        Ok(stream::unfold(follower, async |mut follower| {
            let stop = follower.shared.stop.clone();
            let event = stop.run_until_cancelled(follower.next()).await?;
            Some((event, follower))
        }))
    }
}

/// Somebody who follows a subject.
struct Follower {
    shared: Arc<Shared>,
    subject: String,
    /// The number of the last event that was given.
    seen: u64,
    /// What the reader hands over; none before the topic was read.
    coming: Option<mpsc::Receiver<CloudEvent>>,
    /// What was read of the topic and not given yet.
    known: std::vec::IntoIter<CloudEvent>,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    async fn next(&mut self) -> CloudEvent {
        let mut failures = 0;
        loop {
            if let Some(event) = self.known.find(|event| event.number() > self.seen) {
                self.seen = event.number();
                return event;
            }
            let came = match &mut self.coming {
                Some(coming) => coming.recv().await,
                None => None,
            };
            match came {
                Some(event) if event.number() <= self.seen => {}
                Some(event) if event.number() == self.seen + 1 => {
                    self.seen = event.number();
                    return event;
                }
                // A number is missing, or this one was too slow for the reader, or nothing was read yet.
                _ => match self.read_topic().await {
                    Ok(()) => failures = 0,
                    Err(error) => {
                        tracing::debug!(%error, "the live view cannot read the bus");
                        FAILURES.sleep(failures).await;
                        failures += 1;
                    }
                },
            }
        }
    }

    /// Reads what the topic has, after it was arranged that what comes meanwhile is handed over.
    async fn read_topic(&mut self) -> Result<(), BusError> {
        self.coming = None;
        self.shared.forget_closed(&self.subject);
        let (sender, receiver) = mpsc::channel(BACKLOG);
        self.shared
            .followers()
            .entry(self.subject.clone())
            .or_default()
            .push(sender);
        let mut line = self.shared.bus.connect().await?;
        let (counts, _) = topics(&mut line).await?;
        let topic = self.shared.topic;
        let count = counts.get(&topic).copied().unwrap_or_default();
        let Some(number) = partition_of(&self.subject, count) else {
            return Err(BusError::Strange("the topic is not on the bus yet"));
        };
        let known = history(&mut line, topic.partition(number), &self.subject, self.seen).await?;
        // What the topic no longer has cannot be given: its first number tells the reader that some are missing.
        if let Some(first) = known.first() {
            self.seen = self.seen.max(first.number().saturating_sub(1));
        }
        self.known = known.into_iter();
        self.coming = Some(receiver);
        Ok(())
    }
}

/// Nothing is handed over to it any more.
impl Drop for Follower {
    fn drop(&mut self) {
        self.coming = None;
        self.shared.forget_closed(&self.subject);
        self.shared.following.send_modify(|following| *following -= 1);
    }
}

impl Shared {
    fn forget_closed(&self, subject: &str) {
        let mut followers = self.followers();
        if let Some(of_subject) = followers.get_mut(subject) {
            of_subject.retain(|follower| !follower.is_closed());
            if of_subject.is_empty() {
                followers.remove(subject);
            }
        }
    }

    fn followers(&self) -> MutexGuard<'_, HashMap<String, Vec<mpsc::Sender<CloudEvent>>>> {
        self.followers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read_while_followed(&self) {
        let (mut last, mut failures) = (HashMap::new(), 0);
        let mut following = self.following.subscribe();
        while following.wait_for(|following| *following > 0).await.is_ok() {
            match self.read(&mut last, &mut failures).await {
                Ok(()) => last.clear(),
                Err(error) => {
                    tracing::debug!(topic = %self.topic, %error, "the live view cannot read the bus");
                    FAILURES.sleep(failures).await;
                    failures += 1;
                }
            }
        }
    }

    /// Hands over what comes, from the last entries on that were read, until nobody follows any more.
    async fn read(&self, last: &mut HashMap<String, EntryId>, failures: &mut u32) -> Result<(), BusError> {
        let mut line = self.bus.connect().await?;
        let (counts, _) = topics(&mut line).await?;
        let count = counts.get(&self.topic).copied().unwrap_or_default();
        if count == 0 {
            return Err(BusError::Strange("the topic is not on the bus yet"));
        }
        let keys: Vec<String> = (0..count)
            .map(|number| self.topic.partition(number).stream_key())
            .collect();
        let begins = last.is_empty();
        newest(&mut line, &keys, last).await?;
        if begins {
            // Whoever read the topic before has not seen what came since then, and nobody hands it over: all read it again.
            self.followers().clear();
        }
        *failures = 0;
        while *self.following.borrow() > 0 {
            let wait = WAIT.as_millis().to_string();
            let ids: Vec<String> = keys
                .iter()
                .map(|key| last.get(key).copied().unwrap_or_default().to_string())
                .collect();
            let arguments = [&b"COUNT"[..], b"256", b"BLOCK", wait.as_bytes(), b"STREAMS"].into_iter();
            let arguments = arguments.chain(keys.iter().map(String::as_bytes));
            line.queue("XREAD", arguments.chain(ids.iter().map(String::as_bytes)));
            let read = answered(line.exchange_waiting(WAIT).await?)?.into_iter().next();
            for (key, entries) in read.map(streams).unwrap_or_default() {
                if let Some(newest) = entries.last() {
                    last.insert(key, newest.id);
                }
                for bytes in entries.into_iter().filter_map(|entry| entry.events) {
                    self.hand_over(&bytes);
                }
            }
        }
        Ok(())
    }

    fn hand_over(&self, bytes: &[u8]) {
        let mut followers = self.followers();
        if followers.is_empty() {
            return;
        }
        for event in parse_events(bytes).unwrap_or_default() {
            let Some(of_subject) = followers.get_mut(&event.subject) else {
                continue;
            };
            let subject = event.subject.clone();
            let event = CloudEvent::new(self.topic, event);
            // Whoever has gone away, or has no room, is no longer waited for.
            of_subject.retain(|follower| follower.try_send(event.clone()).is_ok());
            if of_subject.is_empty() {
                followers.remove(&subject);
            }
        }
    }
}

/// For streams of which nothing was read yet, the newest entry: what is older is no news.
async fn newest(line: &mut Connection, keys: &[String], last: &mut HashMap<String, EntryId>) -> Result<(), BusError> {
    for key in keys {
        line.queue("XREVRANGE", [key.as_bytes(), b"+", b"-", b"COUNT", b"1"]);
    }
    for (key, reply) in keys.iter().zip(answered(line.exchange().await?)?) {
        let newest = array(reply).into_iter().next().and_then(entry).map(|entry| entry.id);
        let known = last.entry(key.clone()).or_insert_with(|| newest.unwrap_or_default());
        // A bus that was restarted empty is read from its beginning.
        if newest.is_none_or(|newest| newest < *known) {
            *known = EntryId::default();
        }
    }
    Ok(())
}
