//! No sequence of commands settles an order twice, loses track of a saga, or lets an overtaken driver act.

use proptest::{collection::vec, prelude::*};

use super::{
    CancelOutcome, FinishOutcome, Saga, Verdict,
    world::{ORDERS, World},
};
use crate::record::{Order, Rejection, Status};

#[derive(Debug, Clone)]
enum Step {
    AddItem {
        order: u32,
    },
    Begin {
        order: u32,
        is_keyed: bool,
    },
    /// The driver is any of those that there ever were, so most of them have been overtaken.
    Cancel {
        driver: prop::sample::Index,
    },
    Finish {
        driver: prop::sample::Index,
        paid: bool,
    },
    TakeOver {
        driver: prop::sample::Index,
    },
    Settle {
        driver: prop::sample::Index,
    },
    Init {
        order: u32,
    },
    Wait {
        milliseconds: u64,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let driver = any::<prop::sample::Index>;
    let step = prop_oneof![
        1 => (0..ORDERS).prop_map(|order| Step::AddItem { order }),
        3 => (0..ORDERS, any::<bool>()).prop_map(|(order, is_keyed)| Step::Begin { order, is_keyed }),
        2 => driver().prop_map(|driver| Step::Cancel { driver }),
        3 => (driver(), any::<bool>()).prop_map(|(driver, paid)| Step::Finish { driver, paid }),
        3 => driver().prop_map(|driver| Step::TakeOver { driver }),
        1 => driver().prop_map(|driver| Step::Settle { driver }),
        1 => (0..ORDERS).prop_map(|order| Step::Init { order }),
        2 => (1..10_u64).prop_map(|milliseconds| Step::Wait { milliseconds }),
    ];
    vec(step, 1..80)
}

impl World {
    fn driver(&self, index: prop::sample::Index) -> Option<Saga> {
        (!self.drivers.is_empty()).then(|| index.get(&self.drivers).clone())
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::AddItem { order } => drop(self.add_item(*order)),
            Step::Begin { order, is_keyed } => drop(self.begin_as(*order, *is_keyed)),
            Step::Init { order } => drop(self.init(*order)),
            Step::Wait { milliseconds } => self.set_clock(self.now + milliseconds),
            Step::Cancel { driver } => drop(self.driver(*driver).map(|saga| self.cancel(&saga))),
            Step::Settle { driver } => {
                if let Some(saga) = self.driver(*driver) {
                    self.settle(&saga);
                }
            }
            Step::TakeOver { driver } => drop(self.driver(*driver).map(|saga| self.take_over(&saga))),
            Step::Finish { driver, paid } => {
                let verdict = if *paid {
                    Verdict::Paid
                } else {
                    Verdict::Rejected(Rejection::UnknownUser)
                };
                if let Some(saga) = self.driver(*driver) {
                    self.finish(&saga, verdict);
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn no_sequence_of_commands_loses_a_saga_or_ends_it_twice(steps in steps()) {
        let mut world = World::new();
        for step in &steps {
            let before: Vec<Order> = (0..ORDERS).map(|number| world.order(number)).collect();
            world.take(step);
            world.assert_no_saga_is_lost();
            world.assert_each_saga_ended_once();
            for (number, before) in (0..ORDERS).zip(before) {
                let after = world.order(number);
                prop_assert!(after.attempt >= before.attempt);
                if before.status == Status::Paid && !matches!(step, Step::Init { .. }) {
                    prop_assert_eq!(after, before);
                }
            }
        }
    }

    #[test]
    fn a_driver_that_was_overtaken_changes_nothing(steps in steps()) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
            let before = world.store.clone();
            for saga in world.overtaken() {
                prop_assert_eq!(world.cancel(&saga), CancelOutcome::Overtaken);
                prop_assert_eq!(world.finish(&saga, Verdict::Paid), FinishOutcome::Overtaken);
                let rejected = Verdict::Rejected(Rejection::UnknownUser);
                prop_assert_eq!(world.finish(&saga, rejected), FinishOutcome::Overtaken);
            }
            prop_assert_eq!(&world.store, &before);
        }
    }

    #[test]
    fn repeating_a_command_changes_nothing(steps in steps()) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
            // A driver that begins or takes over joins the list that later steps choose from, so those two
            // are repeated in tests of their own.
            if matches!(step, Step::Cancel { .. } | Step::Finish { .. } | Step::Init { .. }) {
                let before = world.store.clone();
                world.take(step);
                prop_assert_eq!(&world.store, &before);
            }
        }
    }
}
