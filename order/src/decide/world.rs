//! Orders on an in-memory store, with every driver that their sagas ever had. For tests.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use domain::{Credits, ItemId, OrderId, Quantity, SagaId, Timestamp, UserId};
use engine::{Command, Simulation, keys::Partitions};
use saga::Line;

use super::{
    AddItem, Begin, Begun, Cancel, CancelOutcome, Create, Finish, FinishOutcome, Forget, Init, NewOrder, Saga,
    TakeOver, TakeOverOutcome, Verdict,
};
use crate::{
    keys::Keys,
    lease::Leases,
    problems::Refusal,
    record::{Order, Rejection, Sale},
};

pub(super) const ORDERS: u32 = 2;
pub(super) const LEASES: Leases = Leases::new(Duration::from_millis(5), Duration::from_secs(900));
pub(super) const DEADLINE: Duration = Duration::from_millis(20);

pub(super) struct World {
    pub(super) keys: Keys,
    pub(super) store: Simulation,
    pub(super) now: u64,
    pub(super) drivers: Vec<Saga>,
    pub(super) settled: HashSet<SagaId>,
}

impl World {
    pub(super) fn new() -> Self {
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
            let order_id = OrderId::numbered(number);
            world.run(&Create {
                order: world.keys.order(&order_id),
                order_id,
                user_id: UserId::numbered(0),
            });
            world.add_item(number).expect("an open order");
        }
        world
    }

    pub(super) fn run<C: Command>(&mut self, command: &C) -> C::Outcome {
        self.store.run(command).expect("a decision")
    }

    pub(super) fn set_clock(&mut self, milliseconds: u64) {
        self.now = milliseconds;
        self.store.set_clock(Timestamp::from_millis(milliseconds));
    }

    pub(super) fn order(&self, number: u32) -> Order {
        let key = self.keys.order(&OrderId::numbered(number));
        self.store.record(&key).expect("a readable order").expect("an order")
    }

    /// What the saga has sold, by its order or by a record of its own.
    pub(super) fn sale(&self, saga_id: &SagaId) -> Option<Sale> {
        let order = self.store.record(&self.keys.order(&saga_id.order));
        let order = order.expect("a readable order").expect("an order");
        let set_back = self.store.record(&self.keys.sale(saga_id)).expect("a readable sale");
        order.sale(saga_id.attempt).or(set_back)
    }

    pub(super) fn line() -> Line {
        Line {
            item_id: ItemId::numbered(0),
            quantity: Quantity::from(1),
        }
    }

    pub(super) fn add_item(&mut self, number: u32) -> Result<Credits, Refusal> {
        let order_id = OrderId::numbered(number);
        self.run(&AddItem {
            order: self.keys.order(&order_id),
            order_id,
            line: Self::line(),
            price: Credits::from(3),
        })
    }

    pub(super) fn begin(&mut self, number: u32) -> Begun {
        self.begin_as(number, false)
    }

    pub(super) fn begin_as(&mut self, number: u32, is_keyed: bool) -> Begun {
        let outcome = self.run(&Begin {
            keys: self.keys.saga(&OrderId::numbered(number)),
            is_keyed,
            has_room: true,
        });
        if let Begun::ByCaller(saga) = &outcome {
            self.drivers.push(saga.clone());
        }
        outcome
    }

    pub(super) fn cancel(&mut self, saga: &Saga) -> CancelOutcome {
        self.run(&Cancel {
            keys: self.keys.saga(&saga.id.order),
            saga_id: saga.id.clone(),
            epoch: saga.epoch,
            fingerprint: saga.fingerprint,
            reason: Rejection::UnknownUser,
        })
    }

    pub(super) fn finish(&mut self, saga: &Saga, verdict: Verdict) -> FinishOutcome {
        self.run(&Finish {
            keys: self.keys.saga(&saga.id.order),
            saga_id: saga.id.clone(),
            epoch: saga.epoch,
            fingerprint: saga.fingerprint,
            verdict,
        })
    }

    pub(super) fn take_over(&mut self, saga: &Saga) -> TakeOverOutcome {
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

    pub(super) fn init(&mut self, number: u32) -> Vec<u32> {
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

    /// Every driver after which its order got another one.
    pub(super) fn overtaken(&self) -> Vec<Saga> {
        let mut later = HashSet::new();
        let latest_first = self.drivers.iter().rev();
        latest_first
            .filter(|saga| !later.insert(&saga.id.order))
            .cloned()
            .collect()
    }

    /// The index holds exactly the sagas that are under way, and those that are paid and not settled.
    pub(super) fn assert_no_saga_is_lost(&self) {
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
    pub(super) fn settle(&mut self, saga: &Saga) {
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
    pub(super) fn assert_each_saga_ended_once(&self) {
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
