//! The fault runner: a seeded schedule of faults, clients who buy meanwhile, and what must hold afterwards.
//!
//! ```text
//! clients ──wire──> order x 2 ──wire──> stock x 2, payment x 2
//!    └───────────wire───────────────────────┘        │
//!                  each replica ──wire──> its service's redis-server
//! ```
//!
//! A wire is a proxy that can be put in trouble. A schedule is a pure function of its seed; how the processes
//! interleave is not, so a seed that has failed is worth running often.

pub mod check;
pub mod history;
mod load;
pub mod schedule;
mod system;
mod wire;

use std::{
    io::Write,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt, future::join_all, stream};
use tokio::time::{Instant, sleep, sleep_until};

use self::{
    check::{FinalOrder, FinalState, violations},
    history::{Call, History, Operation},
    load::{Buyer, Market},
    schedule::Schedule,
    system::System,
};
use crate::{Audit, Client};

const BUYERS: usize = 12;
/// How long everything may take to come to rest after the last fault.
const REST: Duration = Duration::from_secs(90);
/// How many calls read the results at once.
const SIDE_BY_SIDE: usize = 16;

/// What became of a schedule.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How many faults there were.
    pub faults: usize,
    /// How many calls the clients made.
    pub calls: usize,
    /// How many checkouts were asked for.
    pub checkouts: usize,
    /// How many orders are paid.
    pub paid: usize,
    /// Every promise that was broken.
    pub violations: Vec<String>,
}

/// Runs one schedule. What is needed to find out more about a violation is kept in `folder`.
///
/// # Panics
/// Where a part of the system fails in a way that no fault explains.
pub async fn run(seed: u64, length: Duration, folder: &Path) -> Outcome {
    let schedule = Schedule::of(seed, length);
    let system = System::start().await;
    let client = system.client();
    let market = Arc::new(Market::open(&client).await);
    let history = Arc::new(History::default());
    let closed = Arc::new(AtomicBool::new(false));
    let buyers: Vec<_> = (0..BUYERS)
        .map(|number| Buyer {
            number,
            client: client.clone(),
            history: history.clone(),
        })
        .map(|buyer| tokio::spawn(buyer.buy(seed, market.clone(), closed.clone())))
        .collect();
    let started = Instant::now();
    let faults = schedule.events.iter().map(async |event| {
        sleep_until(started + event.at).await;
        system.suffer(event).await;
    });
    tokio::join!(join_all(faults), sleep(length));
    closed.store(true, Ordering::Relaxed);
    for buyer in buyers {
        buyer.await.expect("a buyer goes on whatever happens");
    }
    system.ready().await;
    let mut found = until(&system, "unfinished", |audit| audit.under_way).await;
    found.extend(off(&system.audit().await));
    let operations = history.operations();
    let state = final_state(&client, &market, &operations).await;
    found.extend(violations(&operations, &state));
    // Nothing may have moved while the results were read, and everything can be forgotten.
    found.extend(off(&system.audit().await));
    system.let_an_hour_pass().await;
    found.extend(until(&system, "not settled", |audit| audit.in_flight).await);
    found.extend(off(&system.audit().await));
    if !found.is_empty() {
        keep(folder, &schedule, &operations, &found);
        system.keep_logs(folder).await;
    }
    let is_checkout = |one: &&Operation| matches!(one.call, Call::Checkout(_));
    Outcome {
        faults: schedule.events.len(),
        calls: operations.len(),
        checkouts: operations.iter().filter(is_checkout).count(),
        paid: state.orders.values().filter(|order| order.paid).count(),
        violations: found,
    }
}

/// Waits until so many sagas as `left` tells are none.
async fn until(system: &System, what: &str, left: impl Fn(&Audit) -> u64) -> Vec<String> {
    let started = Instant::now();
    loop {
        match left(&system.audit().await) {
            0 => return Vec::new(),
            left if started.elapsed() > REST => return vec![format!("{left} sagas are {what} after {REST:?}")],
            _ => sleep(Duration::from_millis(200)).await,
        }
    }
}

/// What the auditor found, where it found anything.
fn off(audit: &Audit) -> Option<String> {
    (!audit.consistent).then(|| format!("the auditor found: {:#?}", audit.findings))
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

/// Writes down all that is known of a schedule that broke a promise.
fn keep(folder: &Path, schedule: &Schedule, operations: &[Operation], found: &[String]) {
    std::fs::create_dir_all(folder).expect("a folder for what is known");
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text).expect("a file");
    write("violations.txt", found.join("\n"));
    write("schedule.json", serde_json::to_string_pretty(schedule).expect("JSON"));
    let mut history = Vec::new();
    for operation in operations {
        serde_json::to_writer(&mut history, operation).expect("JSON");
        writeln!(history).expect("memory");
    }
    std::fs::write(folder.join("history.jsonl"), history).expect("a file");
}
