//! The commands against plain arithmetic: what is answered, and what is stored after each.

use std::collections::HashMap;

use domain::{Credits, ItemId, Quantity};
use engine::{Simulation, keys::Partitions};
use proptest::{collection::vec, prelude::*};

use super::{Add, Create, Init, Subtract};
use crate::{keys::Keys, problems::Refusal};

const ITEMS: u32 = 2;
const PRICE: Credits = Credits::ZERO;

#[derive(Debug, Clone)]
enum Step {
    Create { item: u32 },
    Init { stock: i64 },
    Add { item: u32, amount: i64 },
    Subtract { item: u32, amount: i64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let amount = || prop_oneof![8 => 0..9_i64, 1 => Just(i64::MAX)];
    let step = prop_oneof![
        1 => (0..ITEMS).prop_map(|item| Step::Create { item }),
        1 => amount().prop_map(|stock| Step::Init { stock }),
        4 => (0..ITEMS, amount()).prop_map(|(item, amount)| Step::Add { item, amount }),
        4 => (0..ITEMS, amount()).prop_map(|(item, amount)| Step::Subtract { item, amount }),
    ];
    vec(step, 1..40)
}

fn pieces(number: i64) -> Quantity {
    Quantity::try_from(number).expect("not below zero")
}

/// What the items should be.
type Expected = HashMap<u32, i64>;

/// Runs one step on both sides, and compares what they answer.
fn run(step: &Step, partitions: &Partitions, store: &mut Simulation, expected: &mut Expected) {
    let key = |item: u32| partitions.item(&ItemId::numbered(item));
    match *step {
        Step::Create { item } => {
            let create = Create {
                item_id: ItemId::numbered(item),
                item: key(item),
                price: PRICE,
            };
            store.run(&create).expect("a decision");
        }
        Step::Init { stock } => {
            let command = Init {
                partition: key(0).partition(),
                items: (0..ITEMS).map(|item| (item, key(item))).collect(),
                stock: pieces(stock),
                price: PRICE,
            };
            assert!(store.run(&command).expect("a decision").is_empty());
        }
        Step::Add { item, amount } => {
            let command = Add {
                item_id: ItemId::numbered(item),
                item: key(item),
                amount: pieces(amount),
            };
            let answer = store.run(&command).expect("a decision");
            match expected.get(&item).map(|stock| stock.checked_add(amount)) {
                None => assert!(matches!(answer, Err(Refusal::UnknownItem(_)))),
                Some(None) => assert!(matches!(answer, Err(Refusal::Overflow { .. }))),
                Some(Some(stock)) => assert_eq!(answer, Ok(pieces(stock))),
            }
        }
        Step::Subtract { item, amount } => {
            let command = Subtract {
                item_id: ItemId::numbered(item),
                item: key(item),
                amount: pieces(amount),
            };
            let answer = store.run(&command).expect("a decision");
            match expected.get(&item) {
                None => assert!(matches!(answer, Err(Refusal::UnknownItem(_)))),
                Some(&stock) if stock < amount => assert!(matches!(answer, Err(Refusal::OutOfStock { .. }))),
                Some(stock) => assert_eq!(answer, Ok(pieces(stock - amount))),
            }
        }
    }
    expect(step, expected);
}

/// What the step should have changed.
fn expect(step: &Step, expected: &mut Expected) {
    match *step {
        Step::Create { item } => {
            expected.insert(item, 0);
        }
        Step::Init { stock } => expected.extend((0..ITEMS).map(|item| (item, stock))),
        Step::Add { item, amount } => {
            if let Some(stock) = expected.get_mut(&item) {
                *stock = stock.checked_add(amount).unwrap_or(*stock);
            }
        }
        Step::Subtract { item, amount } => {
            if let Some(stock) = expected.get_mut(&item).filter(|stock| **stock >= amount) {
                *stock -= amount;
            }
        }
    }
}

proptest! {
    #[test]
    fn items_are_what_arithmetic_says_after_every_command(steps in steps()) {
        let partitions = Partitions::new(1).expect("an allowed count");
        let (mut store, mut expected) = (Simulation::default(), Expected::new());
        for step in &steps {
            run(step, &partitions, &mut store, &mut expected);
            for item in 0..ITEMS {
                let record = store.record(&partitions.item(&ItemId::numbered(item))).expect("a readable item");
                let left = record.as_ref().map(|item| item.balance.left());
                prop_assert_eq!(left, expected.get(&item).copied().map(pieces));
                // No saga took anything: what came in is what is there.
                prop_assert_eq!(left, record.map(|item| item.balance.supplied()));
            }
        }
    }
}
