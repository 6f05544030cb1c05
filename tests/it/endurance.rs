//! Many checkouts while their consumer's process and the bus are killed again and again: each order that is paid was
//! handled as paid, in order within its subject, and what was handled twice was under way when something died.
//!
//! `CHECKOUTS=100000 cargo nextest run -p tests --test it endurance --no-capture` is the long run.

use std::{
    collections::{HashMap, HashSet},
    io::Write,
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use bus::{
    CloudEvent, Topic,
    consumer::{Consumer, ConsumerConfig, Handler, HandlerError},
};
use futures::future::join_all;
use harness::{Deployment, Setup};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::consumers::bench::bus_at;

/// Where the consumer's process finds the bus, and where it notes what it handles.
const BUS: &str = "TESTS_ENDURANCE_BUS";
const NOTES: &str = "TESTS_ENDURANCE_NOTES";

/// After how many deaths of the consumer the bus dies too.
const DEATHS_OF_ONE: usize = 5;
const CLIENTS: usize = 32;
/// How long the events may take after the last checkout.
const PATIENCE: Duration = Duration::from_secs(120);
/// A note of the test's own, between those of the consumer.
const KILLED: &str = "killed";

/// Notes what it handles, one line each.
struct Noting(std::fs::File);

impl Handler for Noting {
    async fn handle(&self, event: &CloudEvent) -> Result<(), HandlerError> {
        let line = format!(
            "{} {} {} {}\n",
            event.source,
            event.subject,
            event.number(),
            event.r#type
        );
        // One write, so that no line is cut or mixed with another.
        (&self.0)
            .write_all(line.as_bytes())
            .map_err(|error| HandlerError::Retry(error.to_string()))
    }
}

fn notes_at(path: &Path) -> std::fs::File {
    let opened = std::fs::File::options().create(true).append(true).open(path);
    opened.expect("a file")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "no test: the process that is killed in one"]
async fn noting() {
    let (Ok(url), Ok(notes)) = (std::env::var(BUS), std::env::var(NOTES)) else {
        return;
    };
    let config = ConsumerConfig {
        handler_timeout: Duration::from_secs(1),
        lease: Duration::from_secs(2),
        ..ConsumerConfig::new("endurance", "one", Topic::all())
    };
    let consumer = Consumer::new(bus_at(&url), config, Noting(notes_at(Path::new(&notes))));
    consumer.run(CancellationToken::new()).await;
}

/// The consumer's process and its notes.
struct Noted {
    bus: String,
    notes: PathBuf,
    process: Child,
}

impl Noted {
    fn start(bus: &str, notes: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program's own path"));
        command.args(["--exact", "endurance::noting", "--ignored", "--nocapture"]);
        command.env(BUS, bus).env(NOTES, notes).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self {
            bus: bus.to_owned(),
            notes: notes.to_owned(),
            process: command.spawn().expect("this program"),
        }
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.notes).unwrap_or_default()
    }

    /// Kills it in the middle of its work, and starts it again.
    async fn kill(&mut self) {
        let before = self.text().len();
        let started = Instant::now();
        while self.text().len() == before {
            assert!(started.elapsed() < PATIENCE, "the consumer handles nothing");
            sleep(Duration::from_millis(5)).await;
        }
        self.process.kill().await.expect("it ends");
        self.note_death();
        *self = Self::start(&self.bus.clone(), &self.notes.clone());
    }

    fn note_death(&self) {
        writeln!(notes_at(&self.notes), "{KILLED}").expect("a note");
    }
}

/// What the notes say.
#[derive(Debug, Default)]
struct Account {
    handled: usize,
    repeated: usize,
    /// Events that were handled before their predecessor.
    out_of_order: Vec<String>,
    /// Events that were handled again although nothing had died since the life after their first handling began.
    unfounded: Vec<String>,
    paid: HashSet<String>,
}

impl Account {
    fn of(notes: &str) -> Self {
        let mut account = Self::default();
        let mut last: HashMap<(String, String), u64> = HashMap::new();
        let mut first_handled: HashMap<(String, String, u64), usize> = HashMap::new();
        let mut deaths = 0;
        for line in notes.lines() {
            if line == KILLED {
                deaths += 1;
                continue;
            }
            let words: Vec<&str> = line.split(' ').collect();
            let [source, subject, number, event_type] = words[..] else {
                unreachable!("a line is whole: {line}");
            };
            let number: u64 = number.parse().expect("a number");
            account.handled += 1;
            let seen = last.entry((source.to_owned(), subject.to_owned())).or_default();
            if number > *seen + 1 {
                account.out_of_order.push(format!("{line}, after {seen}"));
            }
            *seen = number.max(*seen);
            let name = (source.to_owned(), subject.to_owned(), number);
            match first_handled.get(&name) {
                None => drop(first_handled.insert(name, deaths)),
                Some(life) => {
                    account.repeated += 1;
                    if deaths == *life {
                        account.unfounded.push(line.to_owned());
                    }
                }
            }
            if event_type == "order.paid" {
                account.paid.insert(subject.to_owned());
            }
        }
        account
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_paid_order_is_handled_while_consumer_and_bus_are_killed() {
    let (checkouts, kills): (usize, usize) = match std::env::var("CHECKOUTS") {
        Ok(text) => (text.parse().expect("CHECKOUTS is a number"), 2 * DEATHS_OF_ONE),
        Err(_) => (2_000, DEATHS_OF_ONE),
    };
    let mut deployment = Deployment::start(Setup::with_bus()).await;
    let client = deployment.client.clone();
    for path in [
        "/payment/batch_init/1000/1000000".to_owned(),
        "/stock/batch_init/1000/1000000/1".to_owned(),
        format!("/orders/batch_init/{checkouts}/1000/1000/1"),
    ] {
        let filled = client.post(&path).await;
        assert_eq!(filled.status, 200, "{path}: {filled:?}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut consumer = Noted::start(&deployment.bus().url(), &folder.path().join("notes"));
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let buying = join_all((0..CLIENTS).map(async |_| {
        loop {
            let order = next.fetch_add(1, Ordering::Relaxed);
            if order >= checkouts {
                return;
            }
            let paid = client.checkout(&order.to_string()).await;
            assert_eq!(paid.status, 200, "{order}: {paid:?}");
            done.fetch_add(1, Ordering::Relaxed);
        }
    }));
    let killing = async {
        for number in 1..=kills {
            while done.load(Ordering::Relaxed) < number * checkouts / (kills + 1) {
                sleep(Duration::from_millis(5)).await;
            }
            consumer.kill().await;
            if number.is_multiple_of(DEATHS_OF_ONE) {
                deployment.bus().kill();
                consumer.note_death();
                deployment.bus().start_again().await;
            }
        }
    };
    tokio::join!(buying, killing);
    let started = Instant::now();
    let account = loop {
        let account = Account::of(&consumer.text());
        if account.paid.len() >= checkouts || started.elapsed() > PATIENCE {
            break account;
        }
        sleep(Duration::from_millis(200)).await;
    };
    println!(
        "{checkouts} checkouts, {kills} kills of the consumer and {} of the bus: {} events handled, {} of them again, \
         {} out of order, {} orders handled as paid",
        kills / DEATHS_OF_ONE,
        account.handled,
        account.repeated,
        account.out_of_order.len(),
        account.paid.len()
    );
    assert_eq!(account.paid.len(), checkouts);
    assert!(account.out_of_order.is_empty(), "{:?}", account.out_of_order);
    assert!(account.unfounded.is_empty(), "{:?}", account.unfounded);
}
