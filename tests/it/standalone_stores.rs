//! The redis-servers of standalone: large, hung, or on a full disk.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use harness::{Process, Standalone, eventually, unused_address};
use reqwest::Method;
use tempfile::TempDir;

/// How long any stop of standalone may take.
const STOP: Duration = Duration::from_secs(10);

/// A program that stands in for redis-server: a shell script with the real one in it.
fn stand_in(folder: &TempDir, script: &str) -> PathBuf {
    let path = folder.path().join("redis-server");
    let version = "[ \"$1\" = --version ] && exec redis-server --version";
    fs::write(&path, format!("#!/bin/sh\n{version}\n{script}\n")).expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a program");
    path
}

/// Lets a process end by itself after a signal, and returns how long that took.
fn ends(process: &mut Process, signal: &str) -> Duration {
    let started = Instant::now();
    process.signal(signal);
    while process.is_running() && started.elapsed() < 6 * STOP {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(!process.is_running(), "it does not end: {}", process.log());
    started.elapsed()
}

/// Writes so much that loading it can be slow: Redis sleeps after each command that it loads, and looks up from it
/// after each thousandth.
fn write_many(socket: &Path) {
    let script = "for i = 1, 30000 do redis.call('SET', 'a-strangers:' .. i, i) end";
    let mut command = Command::new("redis-cli");
    let printed = command.arg("-s").arg(socket).args(["-e", "EVAL", script, "0"]).output();
    assert!(printed.expect("redis-cli runs").status.success());
}

async fn logs(process: &Process, text: &str) {
    eventually(text, async || process.log().contains(text).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_store_loads_standalone_says_how_far_it_is_and_can_be_stopped() {
    let mut standalone = Standalone::start().await;
    let client = standalone.client();
    let item = client.item(1, 7).await;
    write_many(&standalone.data.path().join("stock/redis.sock"));
    assert!(ends(&mut standalone.process, "TERM") < STOP);
    let folder = TempDir::new().expect("a folder");
    // About half a minute for what was written above.
    let slow = stand_in(&folder, "exec redis-server \"$@\" --key-load-delay 1000");
    let mut command = Standalone::command(standalone.address, standalone.data.path());
    command.arg("--redis-server").arg(slow);
    for signal in ["TERM", "INT"] {
        standalone.process = Process::spawn("standalone", &mut command);
        logs(&standalone.process, "redis-server loads its data").await;
        let log = standalone.process.log();
        assert!(log.contains("% so far") && log.contains("stock"), "{log}");
        let took = ends(&mut standalone.process, signal);
        assert!(took < STOP, "{signal}: {took:?}");
        eventually("no redis-server is left", async || {
            standalone.redis_servers().is_empty().then_some(())
        })
        .await;
    }
    standalone.start_again().await;
    assert_eq!(client.stock(&item).await, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_on_a_full_disk_is_started_again_ever_more_rarely_and_readiness_says_why() {
    let folder = TempDir::new().expect("a folder");
    // A write past the limit on a file's size is an error to Redis, as on a full disk. (ulimit counts 512 bytes.)
    let full = stand_in(&folder, "trap '' XFSZ; ulimit -f 200; exec redis-server \"$@\"");
    let address = unused_address();
    let data = TempDir::new().expect("a folder");
    let mut command = Standalone::command(address, data.path());
    command.arg("--redis-server").arg(full);
    let mut standalone = Standalone::run(address, data, &mut command).await;
    let client = standalone.client();
    // They fill the file of stock's store, over which Redis ends.
    let items = async {
        loop {
            let _ = client.try_call(Method::POST, "/stock/item/create/1").await;
        }
    };
    let not_ready = eventually("readiness tells which store it is, and why", async || {
        let answer = client.try_call(Method::GET, "/health/ready").await.ok()?;
        let told = answer.text.contains("stock: redis-server has ended") && answer.text.contains("AOF");
        (answer.status == 503 && told).then_some(answer)
    });
    let not_ready = tokio::select! {
        answer = not_ready => answer,
        () = items => unreachable!("it never ends"),
    };
    assert!(!not_ready.text.contains("payment:"), "{not_ready:?}");
    logs(&standalone.process, "AOF").await;
    assert!(ends(&mut standalone.process, "TERM") < STOP);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_keeps_dying_is_started_again_with_a_growing_pause() {
    let folder = TempDir::new().expect("a folder");
    let broken = folder.path().join("broken");
    let script = format!(
        "[ -e {} ] && {{ echo 'the disk is on fire'; exit 3; }}\nexec redis-server \"$@\"",
        broken.display()
    );
    let program = stand_in(&folder, &script);
    let address = unused_address();
    let data = TempDir::new().expect("a folder");
    let mut command = Standalone::command(address, data.path());
    command.arg("--redis-server").arg(program);
    let standalone = Standalone::run(address, data, &mut command).await;
    let client = standalone.client();
    fs::write(&broken, "").expect("a file");
    for server in standalone.redis_servers() {
        let killed = Command::new("kill").args(["-9", &server]).status();
        assert!(killed.expect("kill runs").success());
    }
    // Long enough that a pause which does not grow is told from one that does.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let answer = client.get("/health/ready").await;
    assert_eq!(answer.status, 503);
    for store in ["order", "stock", "payment"] {
        let line = format!("{store}: redis-server has ended (exit status: 3): the disk is on fire");
        assert!(answer.text.contains(&line), "{answer:?}");
    }
    let tries = standalone.process.log().matches("starting redis-server again").count();
    assert!((3..30).contains(&tries), "{tries} starts of three servers in 6 s");
    fs::remove_file(&broken).expect("the file");
    eventually("it is ready again", async || {
        let answer = client.try_call(Method::GET, "/health/ready").await.ok()?;
        (answer.status == 200).then_some(())
    })
    .await;
    let item = client.item(1, 7).await;
    assert_eq!(client.stock(&item).await, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_in_time_also_while_the_stores_stand_still() {
    let mut standalone = Standalone::start().await;
    let client = standalone.client();
    let (item, user) = (client.item(1, 10).await, client.user(10).await);
    let order = client.order(&user, &[(&item, 1)]).await;
    for server in standalone.redis_servers() {
        let stopped = Command::new("kill").args(["-STOP", &server]).status();
        assert!(stopped.expect("kill runs").success());
    }
    let asked = tokio::spawn(async move {
        client
            .try_call(Method::POST, &format!("/orders/checkout/{order}"))
            .await
    });
    let not_ready = eventually("the stores are missed", async || {
        let answer = standalone.client().try_call(Method::GET, "/health/ready").await.ok()?;
        (answer.status == 503).then_some(answer.text)
    })
    .await;
    for store in ["order:", "stock:", "payment:"] {
        assert!(not_ready.contains(store), "{not_ready}");
    }
    let took = ends(&mut standalone.process, "TERM");
    assert!(took < STOP, "{took:?}");
    assert!(standalone.redis_servers().is_empty());
    let _ = asked.await;
}
