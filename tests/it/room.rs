//! Stores that fill up, and for how long what is finished stays in them.

use std::{process::Command as Program, time::Duration};

use engine::store::info_field;
use harness::{
    Answer, Audit, Client, Deployment, Process, RedisServer, Service, Setup, binary, eventually, let_an_hour_pass,
};

/// A Redis with so little memory that one key fills it.
async fn small() -> RedisServer {
    RedisServer::start_with(&["--maxmemory", "24mb"]).await
}

/// Fills a small Redis beyond its watermark, and not to the brim.
async fn fill(redis: &RedisServer) {
    let mut fillers = 0;
    while used(redis).await < 0.93 {
        redis
            .run(&["SETRANGE", &format!("filler{fillers}"), "300000", "x"])
            .await;
        fillers += 1;
    }
}

async fn used(redis: &RedisServer) -> f64 {
    let info = redis.run(&["INFO", "memory"]).await;
    let number = |name: &str| -> f64 {
        let value = info_field(&info, name).and_then(|value| value.parse().ok());
        value.expect("a number")
    };
    (number("used_memory") - number("mem_not_counted_for_evict")) / number("maxmemory")
}

async fn empty(redis: &RedisServer) {
    const DELETE: &str = "return redis.call('DEL', unpack(redis.call('KEYS', 'filler*')))";
    redis.run(&["EVAL", DELETE, "0"]).await;
}

fn is_refused_for_room(answer: &Answer) -> bool {
    answer.status == 503 && answer.problem() == "store-full"
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_nearly_full_begins_nothing_and_ends_what_is_under_way() {
    let deployment = Deployment::start_on(Setup::default(), small().await, small().await, small().await).await;
    let client = &deployment.client;
    let (user, item) = (client.user(1_000).await, client.item(1, 100).await);
    let order = async || client.order(&user, &[(&item, 1)]).await;
    let stores = [
        (&deployment.order_redis, &deployment.order[0]),
        (&deployment.stock_redis, &deployment.stock[0]),
        (&deployment.payment_redis, &deployment.payment[0]),
    ];
    for (store, service) in stores {
        let (paid, under_way, refused) = (order().await, order().await, order().await);
        assert_eq!(client.checkout(&paid).await.status, 200);
        // A saga is under way when the store fills up.
        let charging = &deployment.payment[0].process;
        charging.signal("STOP");
        let checkout = tokio::spawn({
            let client = client.clone();
            async move { client.checkout(&under_way).await }
        });
        eventually("a saga is under way", async || {
            (Audit::of(&deployment).await.under_way == 1).then_some(())
        })
        .await;
        fill(store).await;
        charging.signal("CONT");
        eventually("the service sees it", async || {
            is_nearly_full(service).await.then_some(())
        })
        .await;
        // A request that finds no room was not decided, and begins anew under the same key.
        let repeated = format!("/orders/checkout/{refused}");
        assert!(is_refused_for_room(&client.post_keyed(&repeated, "refused").await));
        checkout.await.expect("the client's task");
        eventually("what was under way has ended", async || {
            (Audit::of(&deployment).await.under_way == 0).then_some(())
        })
        .await;
        assert!(is_refused_for_room(&client.checkout(&refused).await));
        let paid = Audit::of(&deployment).await.paid.cast_signed();
        assert_eq!(client.stock(&item).await, 100 - paid);
        assert_eq!(client.credit(&user).await, 1_000 - paid);

        // Settling makes room, and needs none.
        let_an_hour_pass(&deployment.order_redis).await;
        eventually("what is paid is settled", async || {
            (Audit::of(&deployment).await.in_flight == 0).then_some(())
        })
        .await;
        assert!(is_nearly_full(service).await);
        empty(store).await;
        eventually("checkouts are begun again", async || {
            (client.post_keyed(&repeated, "refused").await.status == 200).then_some(())
        })
        .await;
    }
    let audit = Audit::of(&deployment).await;
    assert!(audit.consistent, "{audit:?}");
}

/// Whether the service says so.
async fn is_nearly_full(service: &Service) -> bool {
    let ready = Client::of_one_origin(&service.origin()).get("/health/ready").await;
    ready.status == 200 && ready.text.contains("nearly full")
}

#[tokio::test(flavor = "multi_thread")]
async fn each_service_refuses_what_is_new_while_its_own_store_is_nearly_full() {
    let deployment = Deployment::start_on(Setup::default(), small().await, small().await, small().await).await;
    let client = &deployment.client;
    let (user, item) = (client.user(10).await, client.item(1, 10).await);
    let order = client.order(&user, &[(&item, 1)]).await;
    let (add_item, add_funds, add) = (
        format!("/orders/addItem/{order}/{item}/1"),
        format!("/payment/add_funds/{user}/1"),
        format!("/stock/add/{item}/1"),
    );
    let create = format!("/orders/create/{user}");
    let services = [
        (
            &deployment.order_redis,
            &deployment.order[0],
            [&*create, &add_item, "/orders/batch_init/1/1/1/1"],
        ),
        (
            &deployment.payment_redis,
            &deployment.payment[0],
            ["/payment/create_user", &add_funds, "/payment/batch_init/1/1"],
        ),
        (
            &deployment.stock_redis,
            &deployment.stock[0],
            ["/stock/item/create/1", &add, "/stock/batch_init/1/1/1"],
        ),
    ];
    for (store, service, calls) in services {
        fill(store).await;
        for call in calls {
            eventually(call, async || {
                is_refused_for_room(&client.post(call).await).then_some(())
            })
            .await;
        }
        let asked = Client::of_one_origin(&service.origin());
        let ready = asked.get("/health/ready").await;
        assert_eq!(ready.status, 200);
        assert!(ready.text.contains("nearly full"), "{ready:?}");
        let metrics = asked.get("/metrics").await.text;
        let ratio = metrics
            .lines()
            .find(|line| line.starts_with("holdfast_store_used_ratio"));
        let ratio: f64 = ratio
            .and_then(|line| line.rsplit(' ').next()?.parse().ok())
            .expect("the ratio");
        assert!(ratio > 0.9, "{ratio}");
        empty(store).await;
        eventually("there is room again", async || {
            (client.post(calls[1]).await.status == 200).then_some(())
        })
        .await;
    }
}

fn terms(retention: u64, max_age: u64) -> Vec<(&'static str, String)> {
    vec![
        ("FINISHED_RETENTION_MS", retention.to_string()),
        ("DRIVE_MAX_AGE_MS", max_age.to_string()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_finished_stays_as_long_as_the_terms_say() {
    let setup = Setup::default();
    let deployment = Deployment::start(Setup {
        settings: [setup.settings.clone(), terms(60_000, 10_000)].concat(),
        ..setup
    })
    .await;
    let client = &deployment.client;
    let (user, item) = (client.user(10).await, client.item(1, 3).await);
    let (paid, refused) = (
        client.order(&user, &[(&item, 1)]).await,
        client.order(&user, &[(&item, 5)]).await,
    );
    assert_eq!(client.checkout(&refused).await.status, 409);
    let tombstone = deployment.stock_redis.run(&["KEYS", "hold:*"]).await;
    let left: i64 = deployment
        .stock_redis
        .run(&["PTTL", &tombstone])
        .await
        .parse()
        .expect("a number");
    assert!((30_000..=60_000).contains(&left), "{left}");
    assert_eq!(client.checkout(&paid).await.status, 200);
    let audit = Audit::with(&deployment, &["--finished-retention-ms", "60000"]).await;
    assert!(audit.consistent && audit.in_flight == 1, "{audit:?}");
    let_an_hour_pass(&deployment.order_redis).await;
    eventually("it is settled", async || {
        (Audit::of(&deployment).await.in_flight == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_participant_with_other_terms_serves_nothing_and_says_so() {
    let deployment = Deployment::start(Setup {
        order_settings: terms(240_000, 60_000),
        ..Setup::default()
    })
    .await;
    let client = &deployment.client;
    let (user, item) = (client.user(10).await, client.item(1, 10).await);
    let order = client.post(&format!("/orders/create/{user}")).await.json()["order_id"].clone();
    let order = order.as_str().expect("an id").to_owned();
    let added = client.post(&format!("/orders/addItem/{order}/{item}/1")).await;
    assert_eq!(added.status, 503, "{added:?}");
    let log = deployment.stock[0].logs();
    assert!(
        log.contains("FINISHED_RETENTION_MS and DRIVE_MAX_AGE_MS must be the same"),
        "{log}"
    );
    let metrics = Client::of_one_origin(&deployment.stock[0].origin())
        .get("/metrics")
        .await
        .text;
    assert!(metrics.contains("holdfast_terms_mismatch_total"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn terms_under_which_a_late_request_could_act_twice_are_refused_at_start() {
    let redis = RedisServer::start().await;
    let of_saga = [("SAGA_DEADLINE_MS", "100000".to_owned())];
    for (service, settings, rule) in [
        ("stock", terms(30_000, 10_000), "four times DRIVE_MAX_AGE_MS"),
        ("payment", terms(30_000, 10_000), "four times DRIVE_MAX_AGE_MS"),
        (
            "order",
            [&terms(60_000, 12_000)[..], &of_saga].concat(),
            "at least SAGA_DEADLINE_MS",
        ),
        ("order", terms(60_000, 5_000), "twice SAGA_LEASE_MS"),
    ] {
        let mut program = Program::new(binary(service));
        program.env("REDIS_URL", redis.url()).envs(settings);
        let mut process = Process::spawn(service, &mut program);
        eventually("it has ended", async || (!process.is_running()).then_some(())).await;
        assert!(process.log().contains(rule), "{service}: {}", process.log());
    }
    tokio::time::timeout(Duration::from_secs(1), redis.run(&["PING"]))
        .await
        .expect("nothing else is wrong");
}
