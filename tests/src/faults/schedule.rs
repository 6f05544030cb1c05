//! What goes wrong when: a pure function of a seed.

use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng, seq::IndexedRandom};
use serde::Serialize;

/// How many replicas each service has.
pub const REPLICAS: usize = 2;

/// One of the three services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The orders.
    Order,
    /// The stock.
    Stock,
    /// The accounts.
    Payment,
}

impl Part {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Order, Self::Stock, Self::Payment];

    /// What its program is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Stock => "stock",
            Self::Payment => "payment",
        }
    }
}

/// A connection between two parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// From the clients to a replica.
    Public(Part, usize),
    /// From the order replicas to a replica of stock or payment.
    Internal(Part, usize),
    /// From a replica to its service's Redis.
    Redis(Part, usize),
}

/// What a connection does while it is in trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// Every connection breaks, and no new one comes about.
    Cut,
    /// Nothing passes; what was sent passes afterwards, also when its sender no longer waits.
    Stall,
    /// Everything takes so much longer, in both directions.
    Delay(Duration),
    /// Requests pass; then the connection breaks instead of an answer.
    DropReplies,
    /// The direction to the server is closed; answers still pass.
    HalfCloseRequests,
    /// The direction to the client is closed; requests still pass.
    HalfCloseReplies,
    /// Every HTTP request arrives once more, some time later.
    Duplicate,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// A replica is killed, and started again afterwards.
    Kill(Part, usize),
    /// A replica is asked to end, and started again afterwards.
    Terminate(Part, usize),
    /// A replica stands still, longer than a lease.
    Pause(Part, usize),
    /// A replica's clock is off by so many milliseconds.
    Clock(Part, usize, i64),
    /// A connection is in trouble.
    Wire(Link, Trouble),
    /// A Redis is killed, and started again afterwards.
    KillRedis(Part),
    /// A Redis stands still.
    PauseRedis(Part),
    /// A Redis refuses to write: it thinks it is a replica.
    ReadOnly(Part),
    /// A Redis refuses to write: it is out of memory.
    OutOfMemory(Part),
    /// A Redis is killed, and answers that it is loading after it was started again.
    Loading(Part),
    /// A Redis cannot append to its file any more, as on a full disk: it ends, and is started again afterwards.
    FullDisk(Part),
}

/// A fault with its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// When it begins, from the start of the schedule.
    pub at: Duration,
    /// How long it stays.
    pub stays: Duration,
    /// What happens.
    pub fault: Fault,
}

/// What goes wrong when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Schedule {
    /// What the schedule is made of.
    pub seed: u64,
    /// The faults, by time.
    pub events: Vec<Event>,
}

impl Schedule {
    /// The schedule of a seed: always the same one.
    #[must_use]
    pub fn of(seed: u64, length: Duration) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut events = Vec::new();
        let mut at = Duration::from_millis(random.random_range(200..1_000));
        while at < length {
            let fault = any_fault(&mut random);
            let stays = Duration::from_millis(match fault {
                Fault::Pause(..) => random.random_range(1_200..4_000),
                Fault::PauseRedis(_) => random.random_range(200..2_500),
                Fault::Clock(..) => random.random_range(1_000..5_000),
                _ => random.random_range(100..2_500),
            });
            events.push(Event { at, stays, fault });
            at += Duration::from_millis(random.random_range(200..1_600));
        }
        Self { seed, events }
    }
}

fn any_fault(random: &mut ChaCha8Rng) -> Fault {
    let part = *Part::ALL.choose(random).unwrap_or(&Part::Order);
    let replica = random.random_range(0..REPLICAS);
    match random.random_range(0..100) {
        0..14 => Fault::Kill(part, replica),
        14..20 => Fault::Terminate(part, replica),
        20..32 => Fault::Pause(part, replica),
        32..37 => Fault::Clock(part, replica, random.random_range(-300_000..=300_000)),
        37..46 => Fault::KillRedis(part),
        46..50 => Fault::PauseRedis(part),
        50..54 => Fault::ReadOnly(part),
        54..58 => Fault::OutOfMemory(part),
        58..61 => Fault::Loading(part),
        61..64 => Fault::FullDisk(part),
        _ => any_wire(part, replica, random),
    }
}

fn any_wire(part: Part, replica: usize, random: &mut ChaCha8Rng) -> Fault {
    let link = match (random.random_range(0..3), part) {
        (0, _) => Link::Public(part, replica),
        (1, Part::Stock | Part::Payment) => Link::Internal(part, replica),
        _ => Link::Redis(part, replica),
    };
    let delay = Duration::from_millis(random.random_range(5..600));
    let mut troubles = vec![
        Trouble::Cut,
        Trouble::Stall,
        Trouble::Delay(delay),
        Trouble::DropReplies,
        Trouble::HalfCloseRequests,
        Trouble::HalfCloseReplies,
    ];
    if matches!(link, Link::Internal(..)) {
        // The likeliest way to act twice.
        troubles.extend([Trouble::Duplicate; 3]);
    }
    Fault::Wire(link, *troubles.choose(random).unwrap_or(&Trouble::Cut))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(20);

    #[test]
    fn a_seed_gives_the_same_schedule_again_and_another_seed_another_one() {
        assert_eq!(Schedule::of(7, LENGTH), Schedule::of(7, LENGTH));
        assert_ne!(Schedule::of(7, LENGTH).events, Schedule::of(8, LENGTH).events);
    }

    #[test]
    fn every_kind_of_fault_comes_up() {
        let name = |fault: &Fault| {
            let text = format!("{fault:?}");
            let end = text.find('(').unwrap_or(text.len());
            let trouble = match fault {
                Fault::Wire(link, trouble) => format!("{link:?}{trouble:?}"),
                _ => String::new(),
            };
            let words: String = trouble.chars().filter(|letter| letter.is_alphabetic()).collect();
            format!("{} {words}", &text[..end])
        };
        let kinds: std::collections::BTreeSet<String> = (0..300)
            .flat_map(|seed| Schedule::of(seed, LENGTH).events)
            .map(|event| name(&event.fault))
            .collect();
        // Ten that are no wire's; six troubles of three public and three Redis links; seven of two internal ones.
        assert_eq!(kinds.len(), 10 + 6 * 6 + 7 * 2, "{kinds:#?}");
    }
}
