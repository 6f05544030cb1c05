//! No sequence of commands breaks the stock's books, and repeating a saga's command changes nothing.

use std::collections::HashMap;

use domain::{Credits, ItemId, Quantity, SagaId, Timestamp, UserId};
use engine::{Simulation, keys::Partitions};
use proptest::{collection::vec, prelude::*};
use saga::{Fingerprint, Released, ReserveAnswer, Terms};

use super::{Add, AddOutcome, Claim, Create, Init, ReleaseItems, ReserveClaims, Subtract, first_refusal};
use crate::{
    keys::Keys,
    record::{Hold, Item},
};

const ITEMS: u32 = 3;
const SAGAS: u32 = 4;

#[derive(Debug, Clone)]
enum Step {
    Add { item: u32, amount: u32 },
    AddTooMuch { item: u32 },
    Subtract { item: u32, amount: u32 },
    Init { item: u32, stock: u32 },
    Reserve { saga: u32 },
    Release { saga: u32 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        1 => (0..ITEMS, 0..6_u32).prop_map(|(item, amount)| Step::Add { item, amount }),
        1 => (0..ITEMS).prop_map(|item| Step::AddTooMuch { item }),
        1 => (0..ITEMS, 0..6_u32).prop_map(|(item, amount)| Step::Subtract { item, amount }),
        1 => (0..ITEMS, 0..6_u32).prop_map(|(item, stock)| Step::Init { item, stock }),
        4 => (0..SAGAS).prop_map(|saga| Step::Reserve { saga }),
        3 => (0..SAGAS).prop_map(|saga| Step::Release { saga }),
    ];
    vec(step, 1..60)
}

/// One of several things that a saga may be about.
fn about(what: u32) -> Fingerprint {
    Fingerprint::of(&UserId::numbered(what), &[], Credits::ZERO)
}

/// One partition with a few items and sagas, each saga with claims that never change.
struct World {
    keys: Keys,
    store: Simulation,
    claims: Vec<HashMap<u32, u32>>,
    has_room: bool,
}

impl World {
    /// The last item is never created: it is the one that is gone.
    fn new(claims: Vec<HashMap<u32, u32>>) -> Self {
        let keys = Keys::new(Partitions::new(1).expect("an allowed count"));
        let mut store = Simulation::default();
        for number in 0..ITEMS - 1 {
            let item = keys.item(&ItemId::numbered(number));
            store
                .run(&Create {
                    item,
                    price: Credits::from(1),
                })
                .expect("a decision");
        }
        Self {
            keys,
            store,
            claims,
            has_room: true,
        }
    }

    fn saga_id(saga: u32) -> SagaId {
        format!("order.{saga}").parse().expect("a saga's id")
    }

    fn claims(&self, saga: u32) -> Vec<Claim> {
        let claim = |(item, quantity): (&u32, &u32)| {
            let item_id = ItemId::numbered(*item);
            Claim {
                item: self.keys.item(&item_id),
                hold: self.keys.hold(&Self::saga_id(saga), &item_id),
                quantity: Quantity::from(*quantity),
                item_id,
            }
        };
        self.claims[saga as usize].iter().map(claim).collect()
    }

    fn reserve(&mut self, saga: u32) -> ReserveAnswer {
        self.reserve_about(saga, about(0))
    }

    fn reserve_about(&mut self, saga: u32, fingerprint: Fingerprint) -> ReserveAnswer {
        let claims = self.claims(saga);
        let partition = claims[0].item.partition();
        let command = ReserveClaims {
            partition,
            terms: Terms::default(),
            driven_since: Timestamp::MIN,
            fingerprint,
            has_room: self.has_room,
            claims,
        };
        self.store.run(&command).expect("a decision")
    }

    fn release(&mut self, saga: u32) -> Released {
        self.release_about(saga, about(0))
    }

    fn release_about(&mut self, saga: u32, fingerprint: Fingerprint) -> Released {
        let claims = self.claims(saga);
        let partition = claims[0].item.partition();
        let items = claims.into_iter().map(|claim| (claim.item, claim.hold)).collect();
        let command = ReleaseItems {
            partition,
            terms: Terms::default(),
            driven_since: Timestamp::MIN,
            fingerprint,
            items,
        };
        self.store.run(&command).expect("a decision")
    }

    fn item(&self, item: u32) -> Option<Item> {
        self.store
            .record(&self.keys.item(&ItemId::numbered(item)))
            .expect("a readable item")
    }

    /// What the saga's name holds.
    fn held(&self, saga: u32) -> Vec<Hold> {
        let holds = self.claims(saga).into_iter().filter_map(|claim| {
            let hold = self.store.record(&claim.hold).expect("a readable hold")?;
            matches!(hold, Hold::Held { .. }).then_some(hold)
        });
        holds.collect()
    }

    /// What the holds, as they are now, account for in a reading of the item with this serial.
    fn held_at(&self, item: u32, serial: u64) -> i64 {
        (0..SAGAS)
            .filter_map(|saga| {
                let hold = self.keys.hold(&Self::saga_id(saga), &ItemId::numbered(item));
                let hold = self.store.record(&hold).expect("a readable hold")?;
                Some(hold.quantity_at(serial).get())
            })
            .sum()
    }

    /// The reading balances with the holds as they are now.
    fn assert_balances(&self, number: u32, reading: &Item) {
        assert_eq!(
            reading.stock.get() + self.held_at(number, reading.serial),
            reading.supplied.get(),
            "item {number} {reading:?}"
        );
    }

    fn items(&self) -> impl Iterator<Item = (u32, Item)> {
        (0..ITEMS).filter_map(|number| Some((number, self.item(number)?)))
    }

    fn take(&mut self, step: &Step) {
        let key = |item: u32| self.keys.item(&ItemId::numbered(item));
        match *step {
            Step::Add { item, amount } => {
                let (item, amount) = (key(item), Quantity::from(amount));
                self.store.run(&Add { item, amount }).expect("a decision");
            }
            Step::AddTooMuch { item: number } => {
                let before = self.item(number);
                let item = key(number);
                let outcome = self
                    .store
                    .run(&Add {
                        item,
                        amount: Quantity::MAX,
                    })
                    .expect("a decision");
                if before.as_ref().is_some_and(|item| item.supplied > Quantity::ZERO) {
                    assert_eq!(outcome, AddOutcome::Overflow);
                    assert_eq!(self.item(number), before);
                } else if let AddOutcome::Added { .. } = outcome {
                    let (item, amount) = (self.keys.item(&ItemId::numbered(number)), Quantity::MAX);
                    self.store.run(&Subtract { item, amount }).expect("a decision");
                }
            }
            Step::Subtract { item, amount } => {
                let (item, amount) = (key(item), Quantity::from(amount));
                self.store.run(&Subtract { item, amount }).expect("a decision");
            }
            Step::Init { item, stock } => {
                let (number, item) = (item, key(item));
                let init = Init {
                    partition: item.partition(),
                    items: vec![(number, item)],
                    stock: Quantity::from(stock),
                    price: Credits::from(1),
                };
                assert!(self.store.run(&init).expect("a decision").is_empty());
            }
            Step::Reserve { saga } => drop(self.reserve(saga)),
            Step::Release { saga } => drop(self.release(saga)),
        }
    }
}

proptest! {
    #[test]
    fn every_reading_of_an_item_balances_with_the_holds_then_and_ever_after(
        claims in vec(proptest::collection::hash_map(0..ITEMS, 1..4_u32, 1..3), SAGAS as usize),
        steps in steps(),
    ) {
        let mut world = World::new(claims);
        let mut readings: Vec<(u32, Item)> = Vec::new();
        for step in &steps {
            world.take(step);
            readings.extend(world.items());
            for (number, reading) in &readings {
                world.assert_balances(*number, reading);
            }
        }
    }

    #[test]
    fn repeating_a_sagas_command_changes_nothing(
        claims in vec(proptest::collection::hash_map(0..ITEMS, 1..4_u32, 1..3), SAGAS as usize),
        steps in steps(),
    ) {
        let mut world = World::new(claims);
        let mut first_answers: HashMap<u32, ReserveAnswer> = HashMap::new();
        let mut released = [false; SAGAS as usize];
        for step in &steps {
            match *step {
                Step::Reserve { saga } => {
                    let answer = world.reserve(saga);
                    let first = first_answers.entry(saga).or_insert_with(|| answer.clone());
                    if released[saga as usize] {
                        prop_assert_ne!(&answer, &ReserveAnswer::Reserved);
                    }
                    // What was refused stays refused as it was, also if it was released since.
                    if !released[saga as usize] || *first != ReserveAnswer::Reserved {
                        prop_assert_eq!(&answer, first);
                    }
                    let before = world.store.clone();
                    prop_assert_eq!(world.reserve(saga), answer);
                    prop_assert_eq!(&world.store, &before);
                }
                Step::Release { saga } => {
                    world.release(saga);
                    released[saga as usize] = true;
                    let before = world.store.clone();
                    world.release(saga);
                    prop_assert_eq!(&world.store, &before);
                }
                _ => world.take(step),
            }
        }
    }

    #[test]
    fn what_a_sagas_name_holds_for_something_else_is_neither_granted_nor_given_back(
        claims in vec(proptest::collection::hash_map(0..ITEMS, 1..4_u32, 1..3), SAGAS as usize),
        steps in steps(),
    ) {
        let mut world = World::new(claims);
        for step in &steps {
            world.take(step);
            let before = world.store.clone();
            for saga in (0..SAGAS).filter(|saga| !world.held(*saga).is_empty()).collect::<Vec<_>>() {
                let (held, items): (_, Vec<_>) = (world.held(saga), world.items().collect());
                let answer = world.reserve_about(saga, about(1));
                prop_assert!(matches!(answer, ReserveAnswer::Mismatch { .. }), "{answer:?}");
                prop_assert_eq!(&world.store, &before);
                world.release_about(saga, about(1));
                prop_assert_eq!(world.held(saga), held);
                prop_assert_eq!(world.items().collect::<Vec<_>>(), items);
                world.store = before.clone();
            }
        }
    }
}

#[test]
fn a_late_reserve_after_release_is_refused() {
    let mut world = World::new(vec![HashMap::from([(0, 1)])]);
    world.take(&Step::Add { item: 0, amount: 5 });
    world.release(0);
    assert_eq!(world.reserve(0), ReserveAnswer::Undone);
    assert_eq!(world.item(0).expect("an item").stock, Quantity::from(5));
}

#[test]
fn a_refused_line_leaves_the_others_untouched() {
    let mut world = World::new(vec![HashMap::from([(0, 1), (1, 2)])]);
    world.take(&Step::Add { item: 0, amount: 5 });
    world.take(&Step::Add { item: 1, amount: 1 });
    let left = Quantity::from(1);
    assert_eq!(
        world.reserve(0),
        ReserveAnswer::OutOfStock {
            item_id: ItemId::numbered(1),
            left
        }
    );
    assert_eq!(world.item(0).expect("an item").stock, Quantity::from(5));
    // More pieces come in: the saga was told no, and no it stays.
    world.take(&Step::Add { item: 1, amount: 5 });
    assert_eq!(
        world.reserve(0),
        ReserveAnswer::OutOfStock {
            item_id: ItemId::numbered(1),
            left
        }
    );
}

#[test]
fn the_same_name_for_other_pieces_of_an_item_is_a_mismatch() {
    let mut world = World::new(vec![HashMap::from([(0, 1)])]);
    world.take(&Step::Add { item: 0, amount: 5 });
    assert_eq!(world.reserve(0), ReserveAnswer::Reserved);
    world.claims[0].insert(0, 2);
    let mismatch = ReserveAnswer::Mismatch {
        item_id: ItemId::numbered(0),
    };
    assert_eq!(world.reserve(0), mismatch);
    assert_eq!(world.item(0).expect("an item").stock, Quantity::from(4));
}

#[test]
fn of_several_refusals_the_first_is_told_and_what_needs_a_person_before_all() {
    let out_of_stock = ReserveAnswer::OutOfStock {
        item_id: ItemId::numbered(1),
        left: Quantity::ZERO,
    };
    let mismatch = ReserveAnswer::Mismatch {
        item_id: ItemId::numbered(2),
    };
    let (undone, reserved) = (ReserveAnswer::Undone, ReserveAnswer::Reserved);
    for (answers, told) in [
        (vec![undone.clone(), out_of_stock.clone()], Some(&out_of_stock)),
        (vec![out_of_stock.clone(), undone.clone()], Some(&out_of_stock)),
        (vec![reserved.clone(), undone.clone()], Some(&undone)),
        (
            vec![undone.clone(), out_of_stock.clone(), mismatch.clone()],
            Some(&mismatch),
        ),
        (vec![reserved], None),
    ] {
        assert_eq!(first_refusal(answers).as_ref(), told);
    }
}

#[test]
fn a_store_that_is_nearly_full_refuses_what_is_new_and_ends_what_is_under_way() {
    let mut world = World::new(vec![HashMap::from([(0, 1)]), HashMap::from([(0, 1)])]);
    world.take(&Step::Add { item: 0, amount: 5 });
    assert_eq!(world.reserve(0), ReserveAnswer::Reserved);
    world.has_room = false;
    assert_eq!(world.reserve(0), ReserveAnswer::Reserved, "it holds its pieces already");
    assert_eq!(world.reserve(1), ReserveAnswer::StoreFull);
    world.release(0);
    assert_eq!(world.item(0).expect("an item").stock, Quantity::from(5));
    world.has_room = true;
    // A duplicate that comes late holds nothing for nobody.
    assert_eq!(world.reserve(1), ReserveAnswer::StoreFull);
}
