//! No sequence of commands settles an order twice, loses track of a saga, or lets an overtaken driver act.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use domain::{Credits, ItemId, OrderId, Quantity, SagaId, Timestamp, UserId};
use engine::{Command, Simulation, keys::Partitions};
use proptest::{collection::vec, prelude::*};
use saga::Line;

use super::{
    AddItem, Begin, Begun, Cancel, CancelOutcome, Course, Create, Finish, FinishOutcome, Forget, Init, NewOrder, Saga,
    TakeOver, TakeOverOutcome, Verdict,
};
use crate::{
    keys::Keys,
    lease::Leases,
    problems::Refusal,
    record::{MAX_LINES, Order, Rejection, Sale, Status},
};

const ORDERS: u32 = 2;
const LEASES: Leases = Leases::new(Duration::from_millis(5), Duration::from_secs(900));
const DEADLINE: Duration = Duration::from_millis(20);

#[derive(Debug, Clone)]
enum Step {
    AddItem {
        order: u32,
    },
    Begin {
        order: u32,
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
        3 => (0..ORDERS).prop_map(|order| Step::Begin { order }),
        2 => driver().prop_map(|driver| Step::Cancel { driver }),
        3 => (driver(), any::<bool>()).prop_map(|(driver, paid)| Step::Finish { driver, paid }),
        3 => driver().prop_map(|driver| Step::TakeOver { driver }),
        1 => driver().prop_map(|driver| Step::Settle { driver }),
        1 => (0..ORDERS).prop_map(|order| Step::Init { order }),
        2 => (1..10_u64).prop_map(|milliseconds| Step::Wait { milliseconds }),
    ];
    vec(step, 1..80)
}

struct World {
    keys: Keys,
    store: Simulation,
    now: u64,
    drivers: Vec<Saga>,
    settled: HashSet<SagaId>,
}

impl World {
    fn new() -> Self {
        let keys = Keys::new(Partitions::new(16).expect("an allowed count"));
        let mut world = Self {
            keys,
            store: Simulation::default(),
            now: 0,
            drivers: Vec::new(),
            settled: HashSet::new(),
        };
        world.set_clock(1_000);
        for number in 0..ORDERS {
            let order = world.keys.order(&OrderId::numbered(number));
            world.run(&Create {
                order,
                user_id: UserId::numbered(0),
            });
            world.add_item(number).expect("an open order");
        }
        world
    }

    fn run<C: Command>(&mut self, command: &C) -> C::Outcome {
        self.store.run(command).expect("a decision")
    }

    fn set_clock(&mut self, milliseconds: u64) {
        self.now = milliseconds;
        self.store.set_clock(Timestamp::from_millis(milliseconds));
    }

    fn order(&self, number: u32) -> Order {
        let key = self.keys.order(&OrderId::numbered(number));
        self.store.record(&key).expect("a readable order").expect("an order")
    }

    /// What the saga has sold, by its order or by a record of its own.
    fn sale(&self, saga_id: &SagaId) -> Option<Sale> {
        let order = self.store.record(&self.keys.order(&saga_id.order));
        let order = order.expect("a readable order").expect("an order");
        let set_back = self.store.record(&self.keys.sale(saga_id)).expect("a readable sale");
        order.sale(saga_id.attempt).or(set_back)
    }

    fn line() -> Line {
        Line {
            item_id: ItemId::numbered(0),
            quantity: Quantity::from(1),
        }
    }

    fn add_item(&mut self, number: u32) -> Result<Credits, Refusal> {
        let order_id = OrderId::numbered(number);
        self.run(&AddItem {
            order: self.keys.order(&order_id),
            order_id,
            line: Self::line(),
            price: Credits::from(3),
        })
    }

    fn begin(&mut self, number: u32) -> Result<Begun, Refusal> {
        let keys = self.keys.saga(&OrderId::numbered(number));
        let outcome = self.run(&Begin { keys, has_room: true });
        if let Ok(Begun::ByCaller(saga)) = &outcome {
            self.drivers.push(saga.clone());
        }
        outcome
    }

    fn cancel(&mut self, saga: &Saga) -> CancelOutcome {
        self.run(&Cancel {
            keys: self.keys.saga(&saga.id.order),
            saga_id: saga.id.clone(),
            epoch: saga.epoch,
            fingerprint: saga.fingerprint,
            reason: Rejection::UnknownUser,
        })
    }

    fn finish(&mut self, saga: &Saga, verdict: Verdict) -> FinishOutcome {
        self.run(&Finish {
            keys: self.keys.saga(&saga.id.order),
            saga_id: saga.id.clone(),
            epoch: saga.epoch,
            fingerprint: saga.fingerprint,
            verdict,
        })
    }

    fn take_over(&mut self, saga: &Saga) -> TakeOverOutcome {
        let outcome = self.run(&TakeOver {
            keys: self.keys.saga(&saga.id.order),
            sale: self.keys.sale(&saga.id),
            saga_id: saga.id.clone(),
            leases: LEASES,
            deadline: DEADLINE,
        });
        if let TakeOverOutcome::Taken(saga, _) = &outcome {
            self.drivers.push(saga.clone());
        }
        outcome
    }

    fn init(&mut self, number: u32) -> Vec<u32> {
        let order_id = OrderId::numbered(number);
        let init = Init {
            keys: self.keys.clone(),
            partition: self.keys.order(&order_id).partition(),
            orders: vec![NewOrder {
                number,
                order_id,
                user_id: UserId::numbered(0),
                lines: vec![Self::line()],
                total: Credits::from(3),
            }],
        };
        self.run(&init)
    }

    fn driver(&self, index: prop::sample::Index) -> Option<Saga> {
        (!self.drivers.is_empty()).then(|| index.get(&self.drivers).clone())
    }

    /// Every driver after which its order got another one.
    fn overtaken(&self) -> Vec<Saga> {
        let mut later = HashSet::new();
        let latest_first = self.drivers.iter().rev();
        latest_first
            .filter(|saga| !later.insert(&saga.id.order))
            .cloned()
            .collect()
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::AddItem { order } => drop(self.add_item(*order)),
            Step::Begin { order } => drop(self.begin(*order)),
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

    /// The index holds exactly the sagas that are under way, and those that are paid and not settled.
    fn assert_no_saga_is_lost(&self) {
        let indexed: HashSet<String> = self.store.members().map(ToOwned::to_owned).collect();
        let in_flight: HashSet<String> = (0..ORDERS)
            .flat_map(|number| {
                let (order, order_id) = (self.order(number), OrderId::numbered(number));
                let under_way = order.drive().map(|_| order.saga_id(&order_id));
                let attempts = (1..=order.attempt).map(|attempt| SagaId {
                    order: order_id.clone(),
                    attempt,
                });
                let paid = attempts.filter(|saga_id| self.sale(saga_id).is_some());
                let in_flight: Vec<SagaId> = under_way
                    .into_iter()
                    .chain(paid.filter(|saga_id| !self.settled.contains(saga_id)))
                    .collect();
                in_flight
            })
            .map(|saga_id| saga_id.to_string())
            .collect();
        assert_eq!(indexed, in_flight);
    }

    /// Forgets the saga if it is paid, as recovery does after it has settled it.
    fn settle(&mut self, saga: &Saga) {
        if self.sale(&saga.id).is_some() {
            self.settled.insert(saga.id.clone());
            let partition = self.keys.order(&saga.id.order).partition();
            let forget = Forget {
                partition,
                inflight: self.keys.inflight(partition),
                saga_ids: vec![saga.id.clone()],
            };
            self.run(&forget);
        }
    }

    /// Every saga's end is announced once, and the numbers of each order's events have no gap.
    fn assert_each_saga_ended_once(&self) {
        let (mut ended, mut last) = (HashSet::new(), HashMap::new());
        for event in self.store.events() {
            let number = last.entry(event["subject"].to_string()).or_insert(0);
            *number += 1;
            assert_eq!(event["sequence"], *number, "{event}");
            if event["type"] == "order.paid" || event["type"] == "order.rejected" {
                assert!(
                    ended.insert(event["data"]["saga_id"].to_string()),
                    "ended twice: {event}"
                );
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

#[test]
fn a_second_checkout_joins_the_first_and_a_paid_order_stays_paid() {
    let mut world = World::new();
    let Ok(Begun::ByCaller(saga)) = world.begin(0) else {
        unreachable!("an open order with a line");
    };
    assert_eq!(world.begin(0), Ok(Begun::UnderWay(saga.id.clone())));
    assert_eq!(world.add_item(0), Err(Refusal::BeingCheckedOut(OrderId::numbered(0))));
    assert_eq!(world.finish(&saga, Verdict::Paid), FinishOutcome::Finished);
    assert_eq!(world.begin(0), Ok(Begun::AlreadyPaid));
    assert_eq!(world.add_item(0), Err(Refusal::AlreadyPaid(OrderId::numbered(0))));
}

#[test]
fn a_saga_is_left_alone_for_its_lease_and_given_up_after_its_deadline() {
    let mut world = World::new();
    world.begin(0).expect("an order with lines");
    let first = world.drivers[0].clone();
    assert_eq!(world.take_over(&first), TakeOverOutcome::NotYet);
    world.set_clock(world.now + 5);
    assert!(matches!(world.take_over(&first), TakeOverOutcome::Taken(saga, Course::Forward) if saga.epoch == 1));
    world.set_clock(world.now + 5);
    assert_eq!(
        world.take_over(&first),
        TakeOverOutcome::NotYet,
        "the second driver has twice as long"
    );
    world.set_clock(world.now + 15);
    let given_up = world.take_over(&first);
    assert!(
        matches!(given_up, TakeOverOutcome::Taken(saga, Course::Back(Rejection::DeadlinePassed)) if saga.epoch == 2)
    );
    assert_eq!(world.finish(&first, Verdict::Paid), FinishOutcome::Overtaken);
    let second = world.drivers[1].clone();
    assert_eq!(world.finish(&second, Verdict::Paid), FinishOutcome::Overtaken);
    let third = world.drivers[2].clone();
    // A saga that is being cancelled can no longer be paid, not even by its driver.
    assert_eq!(world.finish(&third, Verdict::Paid), FinishOutcome::Overtaken);
    assert_eq!(
        world.finish(&third, Verdict::Rejected(Rejection::DeadlinePassed)),
        FinishOutcome::Finished
    );
}

#[test]
fn a_driver_from_the_future_is_taken_over() {
    let mut world = World::new();
    world.set_clock(world.now + 1_000_000);
    world.begin(0).expect("an order with lines");
    world.set_clock(world.now - 1_000_000);
    let ahead = world.drivers[0].clone();
    assert!(matches!(world.take_over(&ahead), TakeOverOutcome::Taken(saga, Course::Forward) if saga.epoch == 1));
}

#[test]
fn batch_init_leaves_an_order_alone_that_is_being_checked_out() {
    let mut world = World::new();
    world.begin(0).expect("an order with lines");
    let before = world.order(0);
    assert_eq!(world.init(0), [0], "it is told which one stays");
    assert_eq!(world.order(0), before);
    let saga = world.drivers[0].clone();
    let first_saga = saga.clone();
    world.finish(&saga, Verdict::Paid);
    assert!(world.init(0).is_empty());
    assert_eq!(world.order(0).status, Status::Open { last_failure: None });
    assert_eq!(
        world.order(0).attempt,
        1,
        "the next saga must not find the first one's holds"
    );
    let sale = world.sale(&saga.id).expect("what was sold is still known");
    assert_eq!((sale.lines, sale.total), (saga.lines, saga.total));
    assert_eq!(
        world.take_over(&first_saga),
        TakeOverOutcome::Paid,
        "its holds are not settled"
    );
}

#[test]
fn sums_that_are_too_large_and_too_many_lines_are_refused() {
    let mut world = World::new();
    let order = world.keys.order(&OrderId::numbered(0));
    let dear = AddItem {
        order_id: OrderId::numbered(0),
        order: order.clone(),
        line: World::line(),
        price: Credits::MAX,
    };
    assert_eq!(world.run(&dear), Err(Refusal::Overflow(OrderId::numbered(0))));
    let line = Line {
        item_id: ItemId::numbered(0),
        quantity: Quantity::MAX,
    };
    let many_pieces = AddItem {
        order_id: OrderId::numbered(0),
        order,
        line,
        price: Credits::ZERO,
    };
    assert_eq!(world.run(&many_pieces), Err(Refusal::Overflow(OrderId::numbered(0))));
    for _ in 1..MAX_LINES {
        assert!(world.add_item(0).is_ok());
    }
    assert_eq!(world.add_item(0), Err(Refusal::TooManyLines));
}

#[test]
fn an_orders_record_does_not_grow_with_what_it_has_sold() {
    let mut world = World::new();
    let mut sizes = Vec::new();
    for attempt in 1..=20 {
        world.begin(0).expect("an order with lines");
        let saga = world.drivers.last().expect("a driver").clone();
        assert_eq!(world.finish(&saga, Verdict::Paid), FinishOutcome::Finished);
        world.init(0);
        sizes.push(serde_json::to_string(&world.order(0)).expect("JSON").len());
        for earlier in 1..=attempt {
            let saga_id = SagaId {
                order: saga.id.order.clone(),
                attempt: earlier,
            };
            assert!(world.sale(&saga_id).is_some(), "{saga_id} of {attempt}");
        }
    }
    // The attempt and the number of events have a second digit in the end.
    assert!(sizes.last() <= sizes.first().map(|size| size + 2).as_ref(), "{sizes:?}");
}

#[test]
fn a_driver_whose_saga_was_begun_anew_for_something_else_changes_nothing() {
    let mut world = World::new();
    world.begin(0).expect("an order with lines");
    let driver = world.drivers[0].clone();
    // The store loses the begin, and the client adds a line and checks out again.
    let mut lossy = World::new();
    lossy.add_item(0).expect("an open order");
    lossy.begin(0).expect("an order with lines");
    let saga = lossy.drivers[0].clone();
    assert_eq!((&saga.id, saga.epoch), (&driver.id, driver.epoch), "the same name");
    let before = lossy.store.clone();
    assert_eq!(lossy.finish(&driver, Verdict::Paid), FinishOutcome::Overtaken);
    assert_eq!(lossy.cancel(&driver), CancelOutcome::Overtaken);
    assert_eq!(lossy.store, before);
    assert_eq!(lossy.finish(&saga, Verdict::Paid), FinishOutcome::Finished);
}

#[test]
fn a_store_that_is_nearly_full_begins_no_saga_and_still_tells_of_those_there_are() {
    let mut world = World::new();
    let begin = |world: &mut World, number| {
        let keys = world.keys.saga(&OrderId::numbered(number));
        world.run(&Begin { keys, has_room: false })
    };
    assert_eq!(begin(&mut world, 0), Err(Refusal::NoRoom));
    assert_eq!(world.order(0).attempt, 0);
    world.begin(0).expect("an order with lines");
    let saga = world.drivers[0].clone();
    assert_eq!(begin(&mut world, 0), Ok(Begun::UnderWay(saga.id.clone())));
    assert_eq!(world.finish(&saga, Verdict::Paid), FinishOutcome::Finished);
    assert_eq!(begin(&mut world, 0), Ok(Begun::AlreadyPaid));
}
