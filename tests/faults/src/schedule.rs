//! What goes wrong when: a pure function of a seed.

use std::time::Duration;

use domain::ServiceName;
use harness::Trouble;
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng, seq::IndexedRandom};
use serde::Serialize;

use super::fault::{Fault, Link, REPLICAS, Step};

/// What is hit. A seed's schedule depends on this order.
const TARGETS: [ServiceName; 3] = [ServiceName::Order, ServiceName::Stock, ServiceName::Payment];

/// How large a packet may be on a path that loses larger ones, in bytes: on Ethernet, and through tunnels.
const PACKETS: [usize; 3] = [576, 1_000, 1_400];

/// A fault with its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Event {
    /// When it begins, from the start of the schedule.
    pub(crate) at: Duration,
    /// How long it stays.
    pub(crate) stays: Duration,
    /// What happens.
    pub(crate) fault: Fault,
}

/// What goes wrong when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Schedule {
    /// What the schedule is made of.
    pub(crate) seed: u64,
    /// How long faults begin.
    pub(crate) length: Duration,
    /// The faults, by time.
    pub(crate) events: Vec<Event>,
}

impl Schedule {
    /// The schedule of a seed: always the same one.
    #[must_use]
    pub(crate) fn of(seed: u64, length: Duration) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut events = Vec::new();
        let mut at = Duration::from_millis(random.random_range(200..1_000));
        while at < length {
            let fault = any_fault(&mut random);
            let stays = any_time(fault, length.saturating_sub(at), &mut random);
            events.push(Event { at, stays, fault });
            at += Duration::from_millis(random.random_range(200..1_600));
        }
        events.extend(bus_events(seed, length));
        events.sort_by_key(|event| event.at);
        Self { seed, length, events }
    }
}

/// What the bus suffers. Random by itself, so that what a seed does to the services stays what it was before there was a
/// bus.
fn bus_events(seed: u64, length: Duration) -> Vec<Event> {
    const FAULTS: [Fault; 3] = [Fault::KillBus, Fault::PauseBus, Fault::BusOutOfMemory];
    let mut random = ChaCha8Rng::seed_from_u64(!seed);
    let mut events = Vec::new();
    let mut at = Duration::from_millis(random.random_range(500..4_000));
    while at < length {
        let stays = Duration::from_millis(random.random_range(100..2_500));
        let fault = *FAULTS.choose(&mut random).unwrap_or(&Fault::KillBus);
        events.push(Event { at, stays, fault });
        at += stays + Duration::from_millis(random.random_range(1_000..6_000));
    }
    events
}

/// How long a fault stays; `rest` is what is left of the schedule.
fn any_time(fault: Fault, rest: Duration, random: &mut ChaCha8Rng) -> Duration {
    Duration::from_millis(match fault {
        // It happens at once, and nothing ends it.
        Fault::Silence(_) => return Duration::ZERO,
        Fault::ClockStep(..) if random.random_range(0..2) == 0 => return rest,
        Fault::Pause(..) | Fault::OutOfMemory(_) | Fault::NearlyOutOfMemory(..) => random.random_range(1_200..4_000),
        Fault::Clock(..) | Fault::ClockStep(..) => random.random_range(1_000..5_000),
        _ => random.random_range(100..2_500),
    })
}

fn any_fault(random: &mut ChaCha8Rng) -> Fault {
    let part = *TARGETS.choose(random).unwrap_or(&ServiceName::Order);
    let replica = random.random_range(0..REPLICAS);
    match random.random_range(0..100) {
        0..12 => Fault::Kill(part, replica),
        12..17 => Fault::Terminate(part, replica),
        17..27 => Fault::Pause(part, replica),
        27..31 => Fault::Clock(part, replica, random.random_range(-300_000..=300_000)),
        31..37 => Fault::ClockStep(part, replica, *Step::ALL.choose(random).unwrap_or(&Step::HourAhead)),
        37..45 => Fault::KillRedis(part),
        45..49 => Fault::PauseRedis(part),
        49..53 => Fault::ReadOnly(part),
        53..56 => Fault::OutOfMemory(part),
        56..59 => Fault::NearlyOutOfMemory(part, random.random_range(2_000..40_000)),
        59..62 => Fault::Loading(part),
        62..65 => Fault::FullDisk(part),
        65..73 => Fault::Silence(any_link(part, replica, random)),
        _ => any_wire(any_link(part, replica, random), random),
    }
}

fn any_link(part: ServiceName, replica: usize, random: &mut ChaCha8Rng) -> Link {
    match (random.random_range(0..3), part) {
        (0, _) => Link::Public(part, replica),
        (1, ServiceName::Stock | ServiceName::Payment) => Link::Internal(part, replica),
        _ => Link::Redis(part, replica),
    }
}

fn any_wire(link: Link, random: &mut ChaCha8Rng) -> Fault {
    let delay = Duration::from_millis(random.random_range(5..600));
    let mut troubles = vec![
        Trouble::Cut,
        Trouble::Stall,
        Trouble::Delay(delay),
        Trouble::DropReplies,
        Trouble::HalfCloseRequests,
        Trouble::HalfCloseReplies,
    ];
    if !matches!(link, Link::Public(..)) {
        // What clients send and hear is smaller than any packet; what shares a request or a transaction need not be.
        let size = *PACKETS.choose(random).unwrap_or(&PACKETS[0]);
        troubles.extend([Trouble::LoseBigRequests(size), Trouble::LoseBigReplies(size)]);
    }
    if matches!(link, Link::Internal(..)) {
        // The likeliest way to act twice.
        troubles.extend([Trouble::Duplicate; 3]);
    }
    Fault::Wire(link, *troubles.choose(random).unwrap_or(&Trouble::Cut))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fmt::Debug};

    use super::*;

    const LENGTH: Duration = Duration::from_secs(20);

    fn events() -> impl Iterator<Item = Event> {
        (0..300).flat_map(|seed| Schedule::of(seed, LENGTH).events)
    }

    #[test]
    fn a_seed_gives_the_same_schedule_again_and_another_seed_another_one() {
        assert_eq!(Schedule::of(7, LENGTH), Schedule::of(7, LENGTH));
        assert_ne!(Schedule::of(7, LENGTH).events, Schedule::of(8, LENGTH).events);
    }

    fn words(value: &impl Debug) -> String {
        let letters = |letter: &char| letter.is_alphabetic();
        format!("{value:?}").chars().filter(letters).collect()
    }

    fn kind(fault: &Fault) -> String {
        match fault {
            Fault::Wire(..) | Fault::Silence(_) => words(fault),
            Fault::ClockStep(_, _, step) => words(step),
            _ => {
                let name = format!("{fault:?}");
                name.chars().take_while(|letter| letter.is_alphabetic()).collect()
            }
        }
    }

    #[test]
    fn every_kind_of_fault_comes_up() {
        let kinds: BTreeSet<String> = events().map(|event| kind(&event.fault)).collect();
        // Fourteen that are no wire's; four steps of a clock; eight links that fall silent; six troubles of three public
        // links, eight of three Redis links and nine of two internal ones.
        assert_eq!(kinds.len(), 14 + 4 + 8 + 6 * 3 + 8 * 3 + 9 * 2, "{kinds:#?}");
    }

    #[test]
    fn a_large_step_of_a_clock_lasts_for_seconds_or_for_the_whole_rest() {
        let steps: Vec<Event> = events()
            .filter(|event| matches!(event.fault, Fault::ClockStep(..)))
            .collect();
        let lasting = steps.iter().filter(|event| event.at + event.stays == LENGTH).count();
        assert!(
            (steps.len() / 3..steps.len() * 2 / 3).contains(&lasting),
            "{lasting} of {}",
            steps.len()
        );
    }
}
