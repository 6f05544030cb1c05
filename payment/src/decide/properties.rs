//! No sequence of commands breaks the accounts' books, and repeating a saga's command changes nothing.

use std::collections::HashMap;

use domain::{Credits, SagaId, Timestamp, UserId};
use engine::{Simulation, keys::Partitions};
use proptest::{collection::vec, prelude::*};
use saga::{ChargeAnswer, Fingerprint, Terms};

use super::{AddFunds, AddFundsOutcome, ChargeAccount, Create, Init, Pay, RefundAccount};
use crate::{
    keys::Keys,
    record::{Account, Hold},
};

/// The last user never gets an account.
const USERS: u32 = 3;
const SAGAS: u32 = 5;

#[derive(Debug, Clone)]
enum Step {
    AddFunds { user: u32, amount: u32 },
    AddTooMuch { user: u32 },
    Pay { user: u32, amount: u32 },
    Init { user: u32, credit: u32 },
    Charge { saga: u32 },
    Refund { saga: u32 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        1 => (0..USERS - 1, 0..6_u32).prop_map(|(user, amount)| Step::AddFunds { user, amount }),
        1 => (0..USERS).prop_map(|user| Step::AddTooMuch { user }),
        1 => (0..USERS, 0..6_u32).prop_map(|(user, amount)| Step::Pay { user, amount }),
        1 => (0..USERS - 1, 0..6_u32).prop_map(|(user, credit)| Step::Init { user, credit }),
        4 => (0..SAGAS).prop_map(|saga| Step::Charge { saga }),
        3 => (0..SAGAS).prop_map(|saga| Step::Refund { saga }),
    ];
    vec(step, 1..60)
}

/// One of several things that a saga may be about.
fn about(what: u32) -> Fingerprint {
    Fingerprint::of(&UserId::numbered(what), &[], Credits::ZERO)
}

/// A few accounts and sagas, each saga with a user and an amount that never change.
struct World {
    keys: Keys,
    store: Simulation,
    sagas: Vec<(u32, u32)>,
    has_room: bool,
}

impl World {
    fn new(sagas: Vec<(u32, u32)>) -> Self {
        let keys = Keys::new(Partitions::new(16).expect("an allowed count"));
        let mut store = Simulation::default();
        for user in 0..USERS - 1 {
            let account = keys.account(&UserId::numbered(user));
            store.run(&Create { account }).expect("a decision");
        }
        Self {
            keys,
            store,
            sagas,
            has_room: true,
        }
    }

    fn saga_id(saga: u32) -> SagaId {
        format!("order.{saga}").parse().expect("a saga's id")
    }

    fn charge(&mut self, saga: u32) -> ChargeAnswer {
        self.charge_about(saga, about(0))
    }

    fn charge_about(&mut self, saga: u32, fingerprint: Fingerprint) -> ChargeAnswer {
        let (user, amount) = self.sagas[saga as usize];
        let user_id = UserId::numbered(user);
        let command = ChargeAccount {
            account: self.keys.account(&user_id),
            hold: self.keys.hold(&Self::saga_id(saga), &user_id),
            terms: Terms::default(),
            driven_since: Timestamp::MIN,
            fingerprint,
            has_room: self.has_room,
            amount: Credits::from(amount),
        };
        self.store.run(&command).expect("a decision")
    }

    fn refund(&mut self, saga: u32) {
        self.refund_about(saga, about(0));
    }

    fn refund_about(&mut self, saga: u32, fingerprint: Fingerprint) {
        let user_id = UserId::numbered(self.sagas[saga as usize].0);
        let command = RefundAccount {
            account: self.keys.account(&user_id),
            hold: self.keys.hold(&Self::saga_id(saga), &user_id),
            terms: Terms::default(),
            driven_since: Timestamp::MIN,
            fingerprint,
        };
        self.store.run(&command).expect("a decision");
    }

    fn is_charged(&self, saga: u32) -> bool {
        let user_id = UserId::numbered(self.sagas[saga as usize].0);
        let hold = self.keys.hold(&Self::saga_id(saga), &user_id);
        matches!(self.store.record(&hold), Ok(Some(Hold::Charged { .. })))
    }

    fn account(&self, user: u32) -> Option<Account> {
        self.store
            .record(&self.keys.account(&UserId::numbered(user)))
            .expect("a readable account")
    }

    /// What the holds, as they are now, account for in a reading of the account with this serial.
    fn charged_at(&self, user: u32, serial: u64) -> i64 {
        (0..SAGAS)
            .filter(|saga| self.sagas[*saga as usize].0 == user)
            .filter_map(|saga| {
                let hold = self.keys.hold(&Self::saga_id(saga), &UserId::numbered(user));
                let hold = self.store.record(&hold).expect("a readable hold")?;
                Some(hold.amount_at(serial).get())
            })
            .sum()
    }

    /// The reading balances with the holds as they are now.
    fn assert_balances(&self, user: u32, reading: &Account) {
        assert_eq!(
            reading.credit.get() + self.charged_at(user, reading.serial),
            reading.funded.get(),
            "user {user} {reading:?}"
        );
    }

    fn accounts(&self) -> impl Iterator<Item = (u32, Account)> {
        (0..USERS).filter_map(|user| Some((user, self.account(user)?)))
    }

    fn take(&mut self, step: &Step) {
        let key = |user: u32| self.keys.account(&UserId::numbered(user));
        match *step {
            Step::AddFunds { user, amount } => {
                let (account, amount) = (key(user), Credits::from(amount));
                self.store.run(&AddFunds { account, amount }).expect("a decision");
            }
            Step::AddTooMuch { user } => {
                let before = self.account(user);
                let (account, amount) = (key(user), Credits::MAX);
                let outcome = self.store.run(&AddFunds { account, amount }).expect("a decision");
                if before.as_ref().is_some_and(|account| account.funded > Credits::ZERO) {
                    assert_eq!(outcome, AddFundsOutcome::Overflow);
                    assert_eq!(self.account(user), before);
                } else if let AddFundsOutcome::Added { .. } = outcome {
                    let account = self.keys.account(&UserId::numbered(user));
                    self.store.run(&Pay { account, amount }).expect("a decision");
                }
            }
            Step::Pay { user, amount } => {
                let (account, amount) = (key(user), Credits::from(amount));
                self.store.run(&Pay { account, amount }).expect("a decision");
            }
            Step::Init { user, credit } => {
                let (number, account) = (user, key(user));
                let init = Init {
                    partition: account.partition(),
                    accounts: vec![(number, account)],
                    credit: Credits::from(credit),
                };
                assert!(self.store.run(&init).expect("a decision").is_empty());
            }
            Step::Charge { saga } => drop(self.charge(saga)),
            Step::Refund { saga } => self.refund(saga),
        }
    }
}

proptest! {
    #[test]
    fn every_reading_of_an_account_balances_with_the_holds_then_and_ever_after(
        sagas in vec((0..USERS, 0..5_u32), SAGAS as usize),
        steps in steps(),
    ) {
        let mut world = World::new(sagas);
        let mut readings: Vec<(u32, Account)> = Vec::new();
        for step in &steps {
            world.take(step);
            readings.extend(world.accounts());
            for (user, reading) in &readings {
                world.assert_balances(*user, reading);
            }
        }
    }

    #[test]
    fn repeating_a_sagas_command_changes_nothing(sagas in vec((0..USERS, 0..5_u32), SAGAS as usize), steps in steps()) {
        let mut world = World::new(sagas);
        let mut first_answers: HashMap<u32, ChargeAnswer> = HashMap::new();
        let mut refunded = [false; SAGAS as usize];
        for step in &steps {
            match *step {
                Step::Charge { saga } => {
                    let answer = world.charge(saga);
                    let first = first_answers.entry(saga).or_insert_with(|| answer.clone());
                    if refunded[saga as usize] {
                        prop_assert_ne!(&answer, &ChargeAnswer::Charged);
                    } else {
                        prop_assert_eq!(&answer, first);
                    }
                    let before = world.store.clone();
                    prop_assert_eq!(world.charge(saga), answer);
                    prop_assert_eq!(&world.store, &before);
                }
                Step::Refund { saga } => {
                    world.refund(saga);
                    refunded[saga as usize] = true;
                    let before = world.store.clone();
                    world.refund(saga);
                    prop_assert_eq!(&world.store, &before);
                }
                _ => world.take(step),
            }
        }
    }

    #[test]
    fn what_a_sagas_name_has_paid_for_is_neither_granted_to_something_else_nor_given_back(
        sagas in vec((0..USERS, 0..4_u32), SAGAS as usize),
        steps in steps(),
    ) {
        let mut world = World::new(sagas);
        for step in &steps {
            world.take(step);
            let before = world.store.clone();
            for saga in 0..SAGAS {
                if world.is_charged(saga) {
                    prop_assert_eq!(world.charge_about(saga, about(1)), ChargeAnswer::Mismatch);
                    world.refund_about(saga, about(1));
                    prop_assert_eq!(&world.store, &before);
                }
            }
        }
    }
}

#[test]
fn a_late_charge_after_refund_is_refused() {
    let mut world = World::new(vec![(0, 1); SAGAS as usize]);
    world.take(&Step::AddFunds { user: 0, amount: 5 });
    world.refund(0);
    assert_eq!(world.charge(0), ChargeAnswer::Undone);
    assert_eq!(world.account(0).expect("an account").credit, Credits::from(5));
}

#[test]
fn a_refused_charge_stays_refused_when_credit_comes_in() {
    let mut world = World::new(vec![(0, 4); SAGAS as usize]);
    let credit = Credits::ZERO;
    assert_eq!(world.charge(0), ChargeAnswer::InsufficientCredit { credit });
    world.take(&Step::AddFunds { user: 0, amount: 5 });
    assert_eq!(world.charge(0), ChargeAnswer::InsufficientCredit { credit });
    assert_eq!(world.charge(1), ChargeAnswer::Charged);
}

#[test]
fn a_store_that_is_nearly_full_refuses_what_is_new_and_ends_what_is_under_way() {
    let mut world = World::new(vec![(0, 1), (0, 1)]);
    world.take(&Step::AddFunds { user: 0, amount: 5 });
    assert_eq!(world.charge(0), ChargeAnswer::Charged);
    world.has_room = false;
    assert_eq!(world.charge(0), ChargeAnswer::Charged, "it is charged already");
    assert_eq!(world.charge(1), ChargeAnswer::StoreFull);
    world.refund(0);
    assert_eq!(world.account(0).expect("an account").credit, Credits::from(5));
    world.has_room = true;
    // A duplicate that comes late charges nobody.
    assert_eq!(world.charge(1), ChargeAnswer::StoreFull);
}
