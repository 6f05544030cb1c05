//! Events that kill whoever handles them: a process that aborts, is started again, and aborts again.

use std::{
    os::unix::process::ExitStatusExt,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use bus::{
    Bus, CloudEvent,
    consumer::{Consumer, ConsumerConfig, Handler, HandlerError},
};
use tokio::{
    process::{Child, Command},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::bench::{Bench, bus_at, hasty, orders};

/// Where the process that dies finds the bus.
const BUS: &str = "TESTS_MORTALS_BUS";

/// How the signal of an abort is numbered.
const SIGABRT: i32 = 6;

/// Dies of the first event of some subjects, and notes each other one on the bus: nothing else survives.
struct Mortal(Bus);

impl Handler for Mortal {
    async fn handle(&self, event: &CloudEvent) -> Result<(), HandlerError> {
        if matches!((&*event.subject, event.number()), ("deadly" | "fatal", 1)) {
            std::process::abort();
        }
        // So long that each death finds the others in the middle, and none of them ends before.
        sleep(Duration::from_millis(200)).await;
        let line = format!("{} {}", event.subject, event.number());
        let note = async {
            let mut connection = self.0.connect().await.ok()?;
            connection.queue("RPUSH", ["handled", &line].map(str::as_bytes));
            connection.exchange().await.ok()
        };
        let noted = note.await;
        noted.map(drop).ok_or_else(|| HandlerError::Retry("no bus".into()))
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "no test: the process that dies in one"]
async fn mortal() {
    let Ok(url) = std::env::var(BUS) else { return };
    let config = ConsumerConfig {
        max_deaths: 2,
        lease: Duration::from_millis(400),
        ..hasty("mortal")
    };
    let consumer = Consumer::new(bus_at(&url), config, Mortal(bus_at(&url)));
    consumer.run(CancellationToken::new()).await;
}

fn start(bench: &Bench) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this program's own path"));
    command.args(["--exact", "consumers::deadly::mortal", "--ignored", "--nocapture"]);
    command.env(BUS, bench.redis.url()).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("this program")
}

/// Runs the process, again after each death, until everything is acknowledged. Returns how it died.
async fn live_and_die(bench: &Bench, partitions: u16) -> Vec<ExitStatus> {
    let mut deaths = Vec::new();
    let settled = bench.all_acknowledged(partitions);
    tokio::pin!(settled);
    loop {
        let mut mortal = start(bench);
        tokio::select! {
            ended = mortal.wait() => deaths.push(ended.expect("an end")),
            () = &mut settled => break,
        }
    }
    deaths
}

async fn handled(bench: &Bench) -> Vec<(String, u64)> {
    let printed = bench.redis.run(&["LRANGE", "handled", "0", "-1"]).await;
    let lines = printed.lines().filter_map(|line| line.split_once(' '));
    let lines = lines.map(|(subject, number)| (subject.to_owned(), number.parse().expect("a number")));
    lines.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_kills_its_consumer_becomes_a_dead_letter_and_its_neighbours_are_handled_in_order() {
    let bench = Bench::start(2).await;
    let entries: &[&[_]] = &[
        &[("a", 1), ("deadly", 1), ("b", 1)],
        &[("deadly", 2), ("fatal", 1), ("a", 2)],
        &[("c", 1), ("fatal", 2)],
    ];
    bench.append(orders(), 0, entries).await;
    // Those of another partition die with it as well.
    bench.append(orders(), 1, &[&[("x", 1)], &[("x", 2)]]).await;
    let deaths = {
        let key = orders().partition(0).stream_key();
        let mut first = start(&bench);
        // Before that nothing is pending, which would look as if all were acknowledged.
        let death = first.wait().await.expect("an end");
        assert!(bench.redis.run(&["XPENDING", &key, "mail"]).await.starts_with('3'));
        let mut deaths = live_and_die(&bench, 2).await;
        deaths.push(death);
        deaths
    };
    for (subject, numbers) in [
        ("a", &[1, 2][..]),
        ("b", &[1]),
        ("c", &[1]),
        ("deadly", &[2]),
        ("fatal", &[2]),
        ("x", &[1, 2]),
    ] {
        let mut found: Vec<u64> = handled(&bench)
            .await
            .into_iter()
            .filter(|line| line.0 == subject)
            .map(|line| line.1)
            .collect();
        assert!(found.is_sorted(), "{subject}: {found:?}");
        found.dedup();
        assert_eq!(found, numbers, "{subject}");
    }
    let letters = bench.letters(0).await;
    for named in [r#""id":"deadly-1""#, r#""id":"fatal-1""#] {
        assert!(letters.contains(named), "{letters}");
    }
    let reason = "the consumer died while it handled this 2 times";
    assert_eq!(letters.matches(reason).count(), 2, "{letters}");
    assert_eq!(letters.matches("specversion").count(), 2, "{letters}");
    assert_eq!(bench.letters(1).await, "");
    // Three before anything is suspected, and two of each that kills.
    assert!(deaths.iter().all(|death| death.signal() == Some(SIGABRT)), "{deaths:?}");
    assert_eq!(deaths.len(), 3 + 2 + 2);
    // No mark is left of what is settled.
    assert_eq!(bench.redis.run(&["--scan", "--pattern", "alone:*"]).await, "");
}
