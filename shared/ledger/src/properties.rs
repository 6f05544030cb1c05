//! No sequence of commands breaks the books, and repeating a saga's command changes nothing.

use std::collections::HashMap;

use domain::{Credits, OrderId, Quantity, SagaId, Timestamp, UserId};
use engine::{
    Command, Simulation, Touches, View,
    keys::{Key, Partition, Partitions},
};
use proptest::{collection::vec, prelude::*};
use serde::{Deserialize, Serialize};

use crate::{
    Balance, Balanced, Claim, Denial, Fingerprint, GiveBack, Hold, Movement, Reason, Refusal, Settle, Take, Terms,
};

const RECORDS: u32 = 3;
const SAGAS: u32 = 4;

type Answer = Result<(), Denial<Quantity>>;

/// The least that has a balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Thing(Balance<Quantity>);

impl Balanced for Thing {
    type Amount = Quantity;

    fn balance(&self) -> &Balance<Quantity> {
        &self.0
    }

    fn with(&self, balance: Balance<Quantity>) -> Self {
        Self(balance)
    }

    fn put_moved(self, view: &mut View, key: &Key<Self>, _movement: &Movement<'_, Quantity>) {
        view.put(key, self);
    }
}

/// A change of a balance outside of any saga, as services make it. The outcome is whether it was possible.
struct Change {
    record: Key<Thing>,
    apply: fn(&Balance<Quantity>, Quantity) -> Option<Balance<Quantity>>,
    amount: Quantity,
    creates: bool,
}

impl Command for Change {
    type Outcome = bool;

    fn partition(&self) -> Partition {
        self.record.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.record(&self.record);
    }

    fn decide(&self, view: &mut View) -> bool {
        let balance = match view.get(&self.record) {
            Some(Thing(balance)) => *balance,
            None if self.creates => Balance::default(),
            None => return false,
        };
        let changed = (self.apply)(&balance, self.amount);
        if let Some(balance) = changed {
            view.put(&self.record, Thing(balance));
        }
        changed.is_some()
    }
}

#[derive(Debug, Clone)]
enum Step {
    Supply { record: u32, amount: u32 },
    SupplyTooMuch { record: u32 },
    Withdraw { record: u32, amount: u32 },
    Reset { record: u32, left: u32 },
    Take { saga: u32 },
    GiveBack { saga: u32 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        1 => (0..RECORDS, 0..6_u32).prop_map(|(record, amount)| Step::Supply { record, amount }),
        1 => (0..RECORDS).prop_map(|record| Step::SupplyTooMuch { record }),
        1 => (0..RECORDS, 0..6_u32).prop_map(|(record, amount)| Step::Withdraw { record, amount }),
        1 => (0..RECORDS, 0..6_u32).prop_map(|(record, left)| Step::Reset { record, left }),
        4 => (0..SAGAS).prop_map(|saga| Step::Take { saga }),
        3 => (0..SAGAS).prop_map(|saga| Step::GiveBack { saga }),
    ];
    vec(step, 1..60)
}

fn claims() -> impl Strategy<Value = Vec<HashMap<u32, u32>>> {
    vec(
        proptest::collection::hash_map(0..RECORDS, 0..4_u32, 1..3),
        SAGAS as usize,
    )
}

fn saga_id(number: u32) -> SagaId {
    SagaId {
        order: OrderId::numbered(number),
        attempt: 1,
    }
}

/// One of several things that a saga may be about.
fn about(what: u32) -> Fingerprint {
    Fingerprint::new(&UserId::numbered(what), [], Credits::ZERO)
}

/// One partition with a few records and sagas, each saga with claims that never change.
struct World {
    partitions: Partitions,
    store: Simulation,
    claims: Vec<HashMap<u32, u32>>,
    has_room: bool,
}

impl World {
    /// The last record is not there until it is reset.
    fn new(claims: Vec<HashMap<u32, u32>>) -> Self {
        let mut world = Self {
            partitions: Partitions::new(1).expect("an allowed count"),
            store: Simulation::default(),
            claims,
            has_room: true,
        };
        for record in 0..RECORDS - 1 {
            assert!(world.change(record, Balance::reset, Quantity::ZERO, true));
        }
        world
    }

    fn partition(&self) -> Partition {
        self.partitions.of("")
    }

    fn key(&self, record: u32) -> Key<Thing> {
        self.partitions.key("thing", self.partition(), record)
    }

    fn hold(&self, saga: u32, record: u32) -> Key<Hold<Quantity>> {
        self.partitions
            .key("hold", self.partition(), format_args!("{saga}:{record}"))
    }

    fn change(
        &mut self,
        record: u32,
        apply: fn(&Balance<Quantity>, Quantity) -> Option<Balance<Quantity>>,
        amount: Quantity,
        creates: bool,
    ) -> bool {
        let change = Change {
            record: self.key(record),
            apply,
            amount,
            creates,
        };
        self.store.run(&change).expect("a decision")
    }

    /// The records that a saga has claims on, in order.
    fn claimed(&self, saga: u32) -> Vec<u32> {
        let mut records: Vec<u32> = self.claims[saga as usize].keys().copied().collect();
        records.sort_unstable();
        records
    }

    fn take(&mut self, saga: u32) -> Answer {
        self.take_about(saga, about(0))
    }

    fn take_about(&mut self, saga: u32, fingerprint: Fingerprint) -> Answer {
        let claim = |record: u32| Claim {
            record: self.key(record),
            hold: self.hold(saga, record),
            amount: Quantity::from(self.claims[saga as usize][&record]),
        };
        let command = Take {
            partition: self.partition(),
            terms: Terms::default(),
            driven_since: Timestamp::MIN,
            saga_id: saga_id(saga),
            fingerprint,
            has_room: self.has_room,
            claims: self.claimed(saga).into_iter().map(claim).collect(),
        };
        self.store.run(&command).expect("a decision")
    }

    fn give_back(&mut self, saga: u32) {
        self.give_back_about(saga, about(0));
    }

    fn give_back_about(&mut self, saga: u32, fingerprint: Fingerprint) {
        let keys = |record: u32| (self.key(record), self.hold(saga, record));
        let command = GiveBack {
            partition: self.partition(),
            terms: Terms::default(),
            driven_since: Timestamp::MIN,
            saga_id: saga_id(saga),
            fingerprint,
            holds: self.claimed(saga).into_iter().map(keys).collect(),
        };
        self.store.run(&command).expect("a decision");
    }

    fn balance(&self, record: u32) -> Option<Balance<Quantity>> {
        let thing = self.store.record(&self.key(record)).expect("a readable record");
        thing.map(|Thing(balance)| balance)
    }

    fn left(&self, record: u32) -> Quantity {
        self.balance(record).expect("a record").left()
    }

    fn balances(&self) -> Vec<(u32, Balance<Quantity>)> {
        (0..RECORDS)
            .filter_map(|record| Some((record, self.balance(record)?)))
            .collect()
    }

    /// What the saga's name holds.
    fn held(&self, saga: u32) -> Vec<Hold<Quantity>> {
        let holds = self.claimed(saga).into_iter().filter_map(|record| {
            let hold = self.store.record(&self.hold(saga, record)).expect("a readable hold")?;
            hold.held().map(|_| hold)
        });
        holds.collect()
    }

    /// What the holds, as they are now, account for in a reading of the record with this serial.
    fn held_at(&self, record: u32, serial: u64) -> i64 {
        (0..SAGAS)
            .filter_map(|saga| {
                let hold = self.store.record(&self.hold(saga, record)).expect("a readable hold")?;
                Some(hold.amount_at(serial).get())
            })
            .sum()
    }

    /// The reading balances with the holds as they are now.
    fn assert_balances(&self, record: u32, reading: &Balance<Quantity>) {
        assert_eq!(
            reading.left().get() + self.held_at(record, reading.serial()),
            reading.supplied().get(),
            "record {record} {reading:?}"
        );
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Supply { record, amount } => {
                self.change(record, Balance::supply, Quantity::from(amount), false);
            }
            Step::SupplyTooMuch { record } => {
                let before = self.balance(record);
                let is_supplied = self.change(record, Balance::supply, Quantity::MAX, false);
                if before.is_some_and(|balance| balance.supplied() > Quantity::ZERO) {
                    assert!(!is_supplied);
                    assert_eq!(self.balance(record), before);
                } else if is_supplied {
                    assert!(self.change(record, Balance::withdraw, Quantity::MAX, false));
                }
            }
            Step::Withdraw { record, amount } => {
                self.change(record, Balance::withdraw, Quantity::from(amount), false);
            }
            Step::Reset { record, left } => {
                assert!(self.change(record, Balance::reset, Quantity::from(left), true));
            }
            Step::Take { saga } => drop(self.take(saga)),
            Step::GiveBack { saga } => self.give_back(saga),
        }
    }
}

proptest! {
    #[test]
    fn every_reading_of_a_balance_adds_up_with_the_holds_then_and_ever_after(claims in claims(), steps in steps()) {
        let mut world = World::new(claims);
        let mut readings = Vec::new();
        for step in &steps {
            world.step(step);
            readings.extend(world.balances());
            for (record, reading) in &readings {
                world.assert_balances(*record, reading);
            }
        }
    }

    #[test]
    fn repeating_a_sagas_command_changes_nothing(claims in claims(), steps in steps()) {
        let mut world = World::new(claims);
        let mut first_answers: HashMap<u32, Answer> = HashMap::new();
        let mut given_back = [false; SAGAS as usize];
        for step in &steps {
            match *step {
                Step::Take { saga } => {
                    let answer = world.take(saga);
                    let first = *first_answers.entry(saga).or_insert(answer);
                    if given_back[saga as usize] {
                        prop_assert!(answer.is_err());
                    }
                    // What was refused stays refused as it was, also if it was given back since.
                    if !given_back[saga as usize] || first.is_err() {
                        prop_assert_eq!(answer, first);
                    }
                    let before = world.store.clone();
                    prop_assert_eq!(world.take(saga), answer);
                    prop_assert_eq!(&world.store, &before);
                }
                Step::GiveBack { saga } => {
                    world.give_back(saga);
                    given_back[saga as usize] = true;
                    let before = world.store.clone();
                    world.give_back(saga);
                    prop_assert_eq!(&world.store, &before);
                }
                _ => world.step(step),
            }
        }
    }

    #[test]
    fn what_a_sagas_name_holds_for_something_else_is_neither_granted_nor_given_back(
        claims in claims(),
        steps in steps(),
    ) {
        let mut world = World::new(claims);
        for step in &steps {
            world.step(step);
            let before = world.store.clone();
            for saga in (0..SAGAS).filter(|saga| !world.held(*saga).is_empty()).collect::<Vec<_>>() {
                let (held, balances) = (world.held(saga), world.balances());
                let denial = world.take_about(saga, about(1)).err();
                prop_assert_eq!(denial.map(|denial| denial.reason), Some(Reason::Mismatch));
                prop_assert_eq!(&world.store, &before);
                world.give_back_about(saga, about(1));
                prop_assert_eq!(world.held(saga), held);
                prop_assert_eq!(world.balances(), balances);
                world.store = before.clone();
            }
        }
    }
}

fn world(claims: &[&[(u32, u32)]]) -> World {
    World::new(claims.iter().map(|claims| claims.iter().copied().collect()).collect())
}

fn refused(claim: usize, refusal: Refusal<Quantity>) -> Answer {
    Err(Denial {
        claim,
        reason: Reason::Refused(refusal),
    })
}

#[test]
fn a_late_request_after_it_was_undone_is_refused() {
    let mut world = world(&[&[(0, 1)]]);
    world.step(&Step::Supply { record: 0, amount: 5 });
    world.give_back(0);
    let reason = Reason::Undone;
    assert_eq!(world.take(0), Err(Denial { claim: 0, reason }));
    assert_eq!(world.left(0), Quantity::from(5));
}

#[test]
fn a_refused_claim_leaves_the_others_untouched_and_stays_refused_when_more_comes_in() {
    let mut world = world(&[&[(0, 1), (1, 2)], &[(1, 2)]]);
    world.step(&Step::Supply { record: 0, amount: 5 });
    world.step(&Step::Supply { record: 1, amount: 1 });
    let too_little = refused(
        1,
        Refusal::TooLittle {
            left: Quantity::from(1),
        },
    );
    assert_eq!(world.take(0), too_little);
    assert_eq!(world.left(0), Quantity::from(5));
    // The saga was told no, and no it stays. Others have what came in.
    world.step(&Step::Supply { record: 1, amount: 5 });
    assert_eq!(world.take(0), too_little);
    assert_eq!(world.take(1), Ok(()));
}

#[test]
fn a_record_that_is_not_there_refuses() {
    let mut world = world(&[&[(RECORDS - 1, 1)]]);
    assert_eq!(world.take(0), refused(0, Refusal::NoBalance));
}

#[test]
fn the_same_name_for_another_amount_is_a_mismatch() {
    let mut world = world(&[&[(0, 1)]]);
    world.step(&Step::Supply { record: 0, amount: 5 });
    assert_eq!(world.take(0), Ok(()));
    world.claims[0].insert(0, 2);
    let reason = Reason::Mismatch;
    assert_eq!(world.take(0), Err(Denial { claim: 0, reason }));
    assert_eq!(world.left(0), Quantity::from(4));
}

#[test]
fn of_several_denials_the_first_refusal_is_told_and_what_needs_a_person_before_all() {
    let refused = Reason::Refused(Refusal::TooLittle { left: Quantity::ZERO });
    assert!(refused.rank() < Reason::<Quantity>::Undone.rank());
    assert!(Reason::<Quantity>::Mismatch.rank() < refused.rank());
}

#[test]
fn a_store_that_is_nearly_full_refuses_what_is_new_and_ends_what_is_under_way() {
    let mut world = world(&[&[(0, 1)], &[(0, 1)]]);
    world.step(&Step::Supply { record: 0, amount: 5 });
    assert_eq!(world.take(0), Ok(()));
    world.has_room = false;
    assert_eq!(world.take(0), Ok(()), "it is held already");
    assert_eq!(world.take(1), refused(0, Refusal::NoRoom));
    world.give_back(0);
    assert_eq!(world.left(0), Quantity::from(5));
    world.has_room = true;
    // A duplicate that comes late holds nothing for nobody.
    assert_eq!(world.take(1), refused(0, Refusal::NoRoom));
}

#[test]
fn a_settled_hold_is_gone_and_what_it_held_stays_sold() {
    let mut world = world(&[&[(0, 2)]]);
    world.step(&Step::Supply { record: 0, amount: 5 });
    assert_eq!(world.take(0), Ok(()));
    let settle = Settle {
        partition: world.partition(),
        terms: Terms::default(),
        paid_since: Timestamp::MIN,
        holds: vec![world.hold(0, 0)],
    };
    assert!(world.store.run(&settle).is_err(), "a driver may still ask for it");
    world
        .store
        .set_clock(Timestamp::MIN.after(Terms::DEFAULT.drive_max_age.duration()));
    world.store.run(&settle).expect("a decision");
    assert!(world.held(0).is_empty());
    assert_eq!(world.left(0), Quantity::from(3));
}
