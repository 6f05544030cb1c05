//! How processes start and stop: what they refuse at once, and that nothing keeps them.

use std::{
    os::unix::ffi::OsStrExt,
    process::{Command, Output},
    time::{Duration, Instant},
};

use futures::future::join_all;
use harness::{Client, Deployment, Process, Setup, binary, eventually, unused_address};
use reqwest::Method;

/// How long any stop may take.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// Waits for a process to end, and returns its exit code.
async fn ended(process: &mut Process, within: Duration) -> Option<i32> {
    let asked = Instant::now();
    eventually("the process ends", async || (!process.is_running()).then_some(())).await;
    assert!(
        asked.elapsed() < within,
        "it took {:?}: {}",
        asked.elapsed(),
        process.log()
    );
    process.wait().code()
}

fn waiting_for_redis(name: &str, spawn: impl Fn(&str, &mut Command) -> Process) -> Process {
    let mut command = Command::new(binary(name));
    let (public, internal) = (unused_address().to_string(), unused_address().to_string());
    let redis = format!("redis://{}", unused_address());
    command.envs([("LISTEN", public), ("INTERNAL_LISTEN", internal), ("REDIS_URL", redis)]);
    spawn(name, &mut command)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_waits_for_its_redis_ends_when_it_is_told_to() {
    for name in ["order", "stock", "payment"] {
        let mut process = waiting_for_redis(name, Process::spawn);
        eventually("it waits", async || {
            process.log().contains("waiting for Redis").then_some(())
        })
        .await;
        process.signal("TERM");
        assert_eq!(ended(&mut process, Duration::from_secs(3)).await, Some(0), "{name}");
    }
}

/// Whoever reads the log hangs, so whatever logs hangs as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_whose_log_nobody_reads_ends_when_it_is_told_to() {
    let mut process = waiting_for_redis("stock", Process::spawn_unread);
    eventually("it listens to signals", async || {
        process.catches_sigterm().then_some(())
    })
    .await;
    process.signal("TERM");
    ended(&mut process, STOP_WITHIN).await;
}

/// Waits until a saga has begun.
async fn is_under_way(deployment: &Deployment) {
    eventually("a checkout is under way", async || {
        let indexes = deployment.order_redis.run(&["KEYS", "inflight:*"]).await;
        (!indexes.is_empty()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_stops_it_says_so_and_finishes_what_it_serves() {
    let setup = Setup {
        settings: vec![("SAGA_LEASE_MS", "20000".into()), ("CALL_TIMEOUT_MS", "20000".into())],
        ..Setup::default()
    };
    let mut deployment = Deployment::start(setup).await;
    let client = deployment.client.clone();
    let (item, user) = (client.item(1, 1).await, client.user(1).await);
    let order = client.order(&user, &[(&item, 1)]).await;
    deployment.stock[0].process.signal("STOP");
    let checkout = {
        let (client, path) = (client.clone(), format!("/orders/checkout/{order}"));
        tokio::spawn(async move { client.call(Method::POST, &path).await })
    };
    is_under_way(&deployment).await;
    deployment.order[0].process.signal("TERM");
    // Each on a connection of its own, as a prober's is.
    let origin = deployment.order[0].origin();
    let fresh = || Client::of_one_origin(&origin);
    eventually("it is not ready", async || {
        let answer = fresh().try_call(Method::GET, "/health/ready").await.ok()?;
        (answer.status == 503 && answer.text == "stopping\n").then_some(())
    })
    .await;
    let refused = fresh().call(Method::GET, &format!("/orders/find/{order}")).await;
    assert_eq!((refused.status, refused.problem().as_str()), (503, "unavailable"));
    assert_eq!(refused.retry_after.as_deref(), Some("1"));
    deployment.stock[0].process.signal("CONT");
    let answer = checkout.await.expect("no panic");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(ended(&mut deployment.order[0].process, STOP_WITHIN).await, Some(0));
}

/// The clients have gone, and their sagas go on: a stop leaves them to the next process.
#[tokio::test(flavor = "multi_thread")]
async fn order_ends_in_time_with_hundreds_of_sagas_that_cannot_end() {
    for sagas in [310, 650] {
        let mut setup = Setup::default();
        setup.order_settings.push(("CLIENT_PATIENCE_MS", "500".into()));
        let mut deployment = Deployment::start(setup).await;
        let client = deployment.client.clone();
        let orders = client.payable_orders(sagas).await;
        deployment.stock_redis.signal("STOP");
        for answer in join_all(orders.iter().map(|order| client.checkout(order))).await {
            assert_eq!(answer.status, 503, "{answer:?}");
        }
        let order = &mut deployment.order[0];
        order.process.signal("TERM");
        assert_eq!(ended(&mut order.process, STOP_WITHIN).await, Some(0), "{sagas} sagas");
        deployment.stock_redis.signal("CONT");
        deployment.order[0].start_again().await;
        for order in &orders {
            let decided = client.checkout_decided(order).await;
            assert_eq!(decided.status, 200, "{decided:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once_and_nothing_keeps_it_for_ten_seconds() {
    let mut setup = Setup::default();
    setup.settings.push(("CLIENT_PATIENCE_MS", "60000".into()));
    for (signals, code, within) in [
        (&["TERM", "TERM"][..], Some(143), Duration::from_secs(3)),
        (&["INT", "INT"], Some(130), Duration::from_secs(3)),
        (&["TERM"], None, STOP_WITHIN),
    ] {
        let mut deployment = Deployment::start(setup.clone()).await;
        let client = deployment.client.clone();
        let (item, user) = (client.item(1, 1).await, client.user(1).await);
        let order = client.order(&user, &[(&item, 1)]).await;
        deployment.stock[0].process.signal("STOP");
        let path = format!("/orders/checkout/{order}");
        let checkout = tokio::spawn(async move { client.try_call(Method::POST, &path).await.is_ok() });
        is_under_way(&deployment).await;
        let process = &mut deployment.order[0].process;
        for (sent, signal) in signals.iter().enumerate() {
            process.signal(signal);
            eventually("it has heard", async || {
                let heard = process.log().matches("stopping").count() + usize::from(!process.is_running());
                (sent > 0 || heard > 0).then_some(())
            })
            .await;
        }
        let ended = ended(process, within).await;
        assert!(code.is_none() || ended == code, "{signals:?}: {ended:?}");
        // Its client hears something, or that the connection is gone.
        checkout.await.expect("no panic");
    }
}

/// Starts a program that must not start, and returns what it says.
fn refused(name: &str, options: &[&str], settings: &[(&str, &str)]) -> Output {
    let started = Instant::now();
    let mut command = Command::new(binary(name));
    command.args(options).envs(settings.iter().copied());
    let output = command.output().expect("the program runs");
    assert!(started.elapsed() < Duration::from_secs(5), "{name} has waited");
    assert!(!output.status.success(), "{name}: {output:?}");
    output
}

#[test]
fn settings_that_make_no_sense_together_are_refused_with_the_rule_before_anything_is_waited_for() {
    let lease = ("SAGA_LEASE_MS", "600000");
    let redis = [("REDIS_TIMEOUT_MS", "4000"), ("COMMAND_DEADLINE_MS", "3000")];
    for (name, settings, rule) in [
        (
            "order",
            &[lease, ("SAGA_DEADLINE_MS", "100")][..],
            "a saga has to be taken over before it is given up",
        ),
        (
            "standalone",
            &[lease, ("SAGA_DEADLINE_MS", "100")],
            "a saga has to be taken over before it is given up",
        ),
        (
            "order",
            &[("CALL_TIMEOUT_MS", "5001")],
            "a driver has to be left alone for at least one call",
        ),
        (
            "order",
            &[("SAGA_LEASE_MS", "100")],
            "a driver has to be left alone for at least one call",
        ),
        (
            "order",
            &[("MAX_CALLS", "1024")],
            "there have to be calls left for everything else",
        ),
        (
            "standalone",
            &[("MAX_CHECKOUTS", "2048")],
            "there have to be calls left for everything else",
        ),
        ("order", &redis, "one Redis command has to end within the time"),
        ("stock", &redis, "one Redis command has to end within the time"),
        ("payment", &redis, "one Redis command has to end within the time"),
        (
            "standalone",
            &[("COMMAND_DEADLINE_MS", "900")],
            "one Redis command has to end within the time",
        ),
    ] {
        let output = refused(name, &[], settings);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}: {said}");
        assert!(said.contains(rule), "{name}: {said}");
    }
    let no_text = std::ffi::OsStr::from_bytes(b"/tmp/data-\xff");
    let output = Command::new(binary("standalone"))
        .arg("--data")
        .arg(no_text)
        .output()
        .expect("standalone runs");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("UTF-8"), "{output:?}");
}

#[test]
fn no_program_prints_a_password() {
    const SECRET: &str = "hunter2-%40-secret";
    let nobody = unused_address();
    for url in [
        format!("redis://:{SECRET}@{nobody}"),
        format!("rediss://:{SECRET}@{nobody}"),
        format!("redis://user:{SECRET}@{nobody}/not-a-number"),
        format!("nonsense://:{SECRET}@{nobody}"),
    ] {
        let urls = ["ORDER_REDIS_URL", "STOCK_REDIS_URL", "PAYMENT_REDIS_URL", "REDIS_URL"].map(|name| (name, &*url));
        let settings = [&urls[..], &[("REDIS_TIMEOUT_MS", "300")]].concat();
        let mut told = vec![refused("holdfast", &["audit"], &settings)];
        // A URL that can be used is waited for.
        if !url.contains("://:") || url.starts_with("nonsense") {
            told.extend(["order", "stock", "payment"].map(|name| refused(name, &[], &settings)));
        }
        for (name, options) in [("holdfast", &["audit", "--help"][..]), ("stock", &["--help"])] {
            let mut help = Command::new(binary(name));
            told.push(
                help.args(options)
                    .envs(settings.iter().copied())
                    .output()
                    .expect("help"),
            );
        }
        for output in told {
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            assert!(!said.contains("hunter2"), "{url}: {said}");
        }
    }
}
