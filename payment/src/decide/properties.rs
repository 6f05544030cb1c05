//! The commands against plain arithmetic: what is answered, and what is stored after each.

use std::collections::HashMap;

use domain::{Credits, UserId};
use engine::{Simulation, keys::Partitions};
use proptest::{collection::vec, prelude::*};

use super::{AddFunds, Create, Init, Pay};
use crate::{keys::Keys, problems::Refusal};

const USERS: u32 = 2;

#[derive(Debug, Clone)]
enum Step {
    Create { user: u32 },
    Init { credit: i64 },
    Add { user: u32, amount: i64 },
    Pay { user: u32, amount: i64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let amount = || prop_oneof![8 => 0..9_i64, 1 => Just(i64::MAX)];
    let step = prop_oneof![
        1 => (0..USERS).prop_map(|user| Step::Create { user }),
        1 => amount().prop_map(|credit| Step::Init { credit }),
        4 => (0..USERS, amount()).prop_map(|(user, amount)| Step::Add { user, amount }),
        4 => (0..USERS, amount()).prop_map(|(user, amount)| Step::Pay { user, amount }),
    ];
    vec(step, 1..40)
}

fn credits(number: i64) -> Credits {
    Credits::try_from(number).expect("not below zero")
}

/// What the accounts should be.
type Expected = HashMap<u32, i64>;

/// Runs one step on both sides, and compares what they answer.
fn run(step: &Step, partitions: &Partitions, store: &mut Simulation, expected: &mut Expected) {
    let key = |user: u32| partitions.account(&UserId::numbered(user));
    match *step {
        Step::Create { user } => {
            let create = Create {
                user_id: UserId::numbered(user),
                account: key(user),
            };
            store.run(&create).expect("a decision");
        }
        Step::Init { credit } => {
            let command = Init {
                partition: key(0).partition(),
                accounts: (0..USERS).map(|user| (user, key(user))).collect(),
                credit: credits(credit),
            };
            assert!(store.run(&command).expect("a decision").is_empty());
        }
        Step::Add { user, amount } => {
            let command = AddFunds {
                user_id: UserId::numbered(user),
                account: key(user),
                amount: credits(amount),
            };
            let answer = store.run(&command).expect("a decision");
            match expected.get(&user).map(|credit| credit.checked_add(amount)) {
                None => assert!(matches!(answer, Err(Refusal::UnknownUser(_)))),
                Some(None) => assert!(matches!(answer, Err(Refusal::Overflow { .. }))),
                Some(Some(credit)) => assert_eq!(answer, Ok(credits(credit))),
            }
        }
        Step::Pay { user, amount } => {
            let command = Pay {
                user_id: UserId::numbered(user),
                account: key(user),
                amount: credits(amount),
            };
            let answer = store.run(&command).expect("a decision");
            match expected.get(&user) {
                None => assert!(matches!(answer, Err(Refusal::UnknownUser(_)))),
                Some(&credit) if credit < amount => assert!(matches!(answer, Err(Refusal::InsufficientCredit { .. }))),
                Some(credit) => assert_eq!(answer, Ok(credits(credit - amount))),
            }
        }
    }
    expect(step, expected);
}

/// What the step should have changed.
fn expect(step: &Step, expected: &mut Expected) {
    match *step {
        Step::Create { user } => {
            expected.insert(user, 0);
        }
        Step::Init { credit } => expected.extend((0..USERS).map(|user| (user, credit))),
        Step::Add { user, amount } => {
            if let Some(credit) = expected.get_mut(&user) {
                *credit = credit.checked_add(amount).unwrap_or(*credit);
            }
        }
        Step::Pay { user, amount } => {
            if let Some(credit) = expected.get_mut(&user).filter(|credit| **credit >= amount) {
                *credit -= amount;
            }
        }
    }
}

proptest! {
    #[test]
    fn accounts_are_what_arithmetic_says_after_every_command(steps in steps()) {
        let partitions = Partitions::new(1).expect("an allowed count");
        let (mut store, mut expected) = (Simulation::default(), Expected::new());
        for step in &steps {
            run(step, &partitions, &mut store, &mut expected);
            for user in 0..USERS {
                let record = store.record(&partitions.account(&UserId::numbered(user))).expect("a readable account");
                let left = record.as_ref().map(|account| account.balance.left());
                prop_assert_eq!(left, expected.get(&user).copied().map(credits));
                // No saga charged anything: what came in is what is there.
                prop_assert_eq!(left, record.map(|account| account.balance.supplied()));
            }
        }
    }
}
