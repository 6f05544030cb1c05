//! One schedule from its beginning to the last check.

use std::{
    io::Write,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt, future::join_all, stream};
use harness::{Audit, Client, Listener};
use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    bounds::{Lapse, Unfinished, late_calls, overdue_sagas, slowest_answer},
    check::{FinalOrder, FinalState, violations},
    history::{Call, History, Operation},
    keys,
    load::{Buyer, Market},
    sampler::Sampler,
    schedule::{Event, Schedule},
    system::System,
    times::{RECOVERED_WITHIN, SAGA_DEADLINE},
};

const BUYERS: usize = 12;
/// How long settling everything may take.
const SETTLED_WITHIN: Duration = Duration::from_secs(90);
/// How long it may take until every event is on the bus: a relay's lease, and its backoff.
const MOVED_WITHIN: Duration = Duration::from_secs(20);
/// How many calls read the results at once.
const SIDE_BY_SIDE: usize = 16;

/// What became of a schedule.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// How many faults there were.
    pub(crate) faults: usize,
    /// How many calls the clients made.
    pub(crate) calls: usize,
    /// How many checkouts were asked for.
    pub(crate) checkouts: usize,
    /// How many orders are paid.
    pub(crate) paid: usize,
    /// How long the slowest answer took of a replica that was not in trouble itself.
    pub(crate) slowest: Duration,
    /// How long a saga was seen to be unfinished at most.
    pub(crate) oldest: Duration,
    /// Every promise that was broken.
    pub(crate) violations: Vec<String>,
}

/// Runs one schedule. What is needed to find out more about a violation is kept in `folder`.
///
/// # Panics
/// If a part of the system fails in a way that no fault explains.
pub(crate) async fn run(seed: u64, length: Duration, folder: &Path) -> Outcome {
    let schedule = Schedule::of(seed, length);
    let system = System::start().await;
    let listener = Listener::start(system.bus_url());
    let market = Arc::new(Market::open(&system.client()).await);
    let run = Run {
        system,
        history: Arc::default(),
        sampler: Sampler::default(),
        lapses: Mutex::default(),
    };
    let looking = run.sampler.watch(run.system.order_redis(), &run.history);
    let mut found = tokio::select! {
        found = run.break_and_rest(&schedule, &market) => found,
        () = looking => Vec::new(),
    };
    let operations = run.history.operations();
    let lapses = run.lapses();
    let sagas = run.sampler.seen();
    // A client of its own, none of whose connections has fallen silent.
    let state = final_state(&run.system.client(), &market, &operations).await;
    found.extend(violations(&operations, &state));
    found.extend(late_calls(&operations, &lapses));
    found.extend(overdue_sagas(&sagas, &lapses));
    found.extend(run.settled().await);
    found.extend(heard(listener, &state).await);
    if !found.is_empty() {
        let known = Evidence {
            schedule: &schedule,
            lapses: &lapses,
            operations: &operations,
            found: &found,
        };
        known.keep(folder);
        run.system.keep_logs(folder).await;
    }
    let is_checkout = |one: &&Operation| matches!(one.call, Call::Checkout(_));
    Outcome {
        faults: schedule.events.len(),
        calls: operations.len(),
        checkouts: operations.iter().filter(is_checkout).count(),
        paid: state.orders.values().filter(|order| order.paid).count(),
        slowest: slowest_answer(&operations, &lapses),
        oldest: sagas.values().map(Unfinished::age).max().unwrap_or_default(),
        violations: found,
    }
}

/// A schedule that is being run.
struct Run {
    system: System,
    history: Arc<History>,
    sampler: Sampler,
    lapses: Mutex<Vec<Lapse>>,
}

impl Run {
    /// Breaks everything while clients buy, and waits until all sagas are finished. Returns what it sees of broken
    /// promises on the way.
    async fn break_and_rest(&self, schedule: &Schedule, market: &Arc<Market>) -> Vec<String> {
        let closed = Arc::new(AtomicBool::new(false));
        let clients = self.system.clients();
        let buyers: Vec<_> = (0..BUYERS)
            .map(|number| self.buyer(number, clients.clone()))
            .map(|buyer| tokio::spawn(buyer.buy(schedule.seed, market.clone(), closed.clone())))
            .collect();
        let started = Instant::now();
        let faults = schedule.events.iter().map(|event| self.suffer(event, started));
        tokio::join!(join_all(faults), sleep(schedule.length));
        closed.store(true, Ordering::Relaxed);
        for buyer in buyers {
            buyer.await.expect("a buyer goes on whatever happens");
        }
        let mut found = self.system.restart_ended().await;
        self.system.heal().await;
        found.extend(self.system.restart_ended().await);
        keys::settle(&self.buyer(0, clients)).await;
        let rest = SAGA_DEADLINE + RECOVERED_WITHIN;
        found.extend(until(&self.system, "unfinished", rest, |audit| audit.under_way).await);
        found.extend(off(&self.system.audit().await));
        found
    }

    fn buyer(&self, number: usize, replicas: Vec<Client>) -> Buyer {
        Buyer {
            number,
            replicas,
            turn: AtomicUsize::new(number),
            history: self.history.clone(),
        }
    }

    /// Makes one fault happen in its time, and writes down when it did.
    async fn suffer(&self, event: &Event, started: Instant) {
        sleep_until(started + event.at).await;
        let begun = self.history.now();
        let connections = self.system.suffer(event).await;
        let lapse = Lapse {
            begun,
            ended: self.history.now(),
            fault: event.fault,
            connections,
        };
        self.lapses.lock().unwrap_or_else(PoisonError::into_inner).push(lapse);
    }

    fn lapses(&self) -> Vec<Lapse> {
        self.lapses.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until every event is on the bus. None may be lost.
    async fn moved(&self) -> Vec<String> {
        let started = Instant::now();
        loop {
            let audit = self.system.audit().await;
            if audit.entries_lost > 0 {
                return vec![format!("{} entries of events are lost", audit.entries_lost)];
            }
            match audit.entries_waiting {
                0 if audit.events > 0 => return off(&audit).into_iter().collect(),
                waiting if started.elapsed() > MOVED_WITHIN => {
                    return vec![format!(
                        "{waiting} entries wait {MOVED_WITHIN:?} after the last fault, and {} events are on the bus",
                        audit.events
                    )];
                }
                _ => sleep(Duration::from_millis(200)).await,
            }
        }
    }

    /// Lets everything be forgotten that can be. Nothing may have moved while the results were read.
    async fn settled(&self) -> Vec<String> {
        let mut found: Vec<String> = off(&self.system.audit().await).into_iter().collect();
        self.system.let_an_hour_pass().await;
        found.extend(until(&self.system, "not settled", SETTLED_WITHIN, |audit| audit.in_flight).await);
        found.extend(off(&self.system.audit().await));
        found.extend(self.moved().await);
        // Nobody may have died since the faults were over.
        found.extend(self.system.restart_ended().await);
        found
    }
}

/// Every order that is paid was handled as paid, and every subject's events were handled in order.
async fn heard(listener: Listener, state: &FinalState) -> Vec<String> {
    let started = Instant::now();
    let paid: Vec<&String> = state
        .orders
        .iter()
        .filter(|(_, order)| order.paid)
        .map(|(id, _)| id)
        .collect();
    while !listener.missing(paid.iter().copied()).is_empty() && started.elapsed() < MOVED_WITHIN {
        sleep(Duration::from_millis(50)).await;
    }
    let missing = listener.missing(paid).into_iter();
    let mut found: Vec<String> = missing
        .map(|order| format!("{order} is paid, and its consumer was not given that within {MOVED_WITHIN:?}"))
        .collect();
    found.extend(listener.finish().await);
    found
}

/// Waits until so many sagas as `left` counts are none.
async fn until(system: &System, what: &str, patience: Duration, left: impl Fn(&Audit) -> u64) -> Vec<String> {
    let started = Instant::now();
    loop {
        match left(&system.audit().await) {
            0 => return Vec::new(),
            left if started.elapsed() > patience => {
                return vec![format!("{left} sagas are {what} {patience:?} after the last fault")];
            }
            _ => sleep(Duration::from_millis(200)).await,
        }
    }
}

/// What the auditor found, if it found anything: how much of each kind, and some of it.
fn off(audit: &Audit) -> Option<String> {
    const TOLD: usize = 5;
    let told: Vec<_> = audit.findings.iter().take(TOLD).collect();
    (!audit.consistent).then(|| format!("the auditor found {:?}, for example: {told:#?}", audit.off))
}

async fn final_state(client: &Client, market: &Market, operations: &[Operation]) -> FinalState {
    let mut orders: Vec<String> = operations
        .iter()
        .filter_map(|one| match &one.call {
            Call::Checkout(order) | Call::FindOrder(order) | Call::AddItem(order) => Some(order.clone()),
            _ => None,
        })
        .collect();
    orders.sort();
    orders.dedup();
    let orders = stream::iter(orders)
        .map(|order| async move { Some((order.clone(), final_order(client, &order).await?)) })
        .buffer_unordered(SIDE_BY_SIDE)
        .filter_map(async |found| found)
        .collect()
        .await;
    let mut state = FinalState {
        orders,
        ..FinalState::default()
    };
    for (item, came_in) in &market.items {
        state.items.insert(item.clone(), (*came_in, client.stock(item).await));
    }
    for (user, came_in) in &market.users {
        state.users.insert(user.clone(), (*came_in, client.credit(user).await));
    }
    state
}

async fn final_order(client: &Client, order: &str) -> Option<FinalOrder> {
    let found = client.get(&format!("/orders/find/{order}")).await;
    let body = found.json();
    let line = |line: &serde_json::Value| Some((line[0].as_str()?.to_owned(), line[1].as_i64()?));
    Some(FinalOrder {
        paid: body["paid"].as_bool()?,
        user: body["user_id"].as_str()?.to_owned(),
        lines: body["items"].as_array()?.iter().map(line).collect::<Option<_>>()?,
        total: body["total_cost"].as_i64()?,
    })
}

/// All that is known of a schedule that broke a promise.
struct Evidence<'a> {
    schedule: &'a Schedule,
    lapses: &'a [Lapse],
    operations: &'a [Operation],
    found: &'a [String],
}

impl Evidence<'_> {
    /// Writes it down.
    fn keep(&self, folder: &Path) {
        std::fs::create_dir_all(folder).expect("a folder for what is known");
        let write = |name: &str, text: String| std::fs::write(folder.join(name), text).expect("a file");
        write("violations.txt", self.found.join("\n"));
        write(
            "schedule.json",
            serde_json::to_string_pretty(self.schedule).expect("JSON"),
        );
        write("lapses.json", serde_json::to_string_pretty(self.lapses).expect("JSON"));
        let mut history = Vec::new();
        for operation in self.operations {
            serde_json::to_writer(&mut history, operation).expect("JSON");
            writeln!(history).expect("memory");
        }
        std::fs::write(folder.join("history.jsonl"), history).expect("a file");
    }
}
