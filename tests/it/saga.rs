//! The checkout saga: every refusal leaves nothing held, and every race has one right answer.

use std::process::Command;

use domain::Timestamp;
use futures::future::join_all;
use harness::{Audit, Client, Deployment, Fault, FaultProxy, Service, Setup, binary, unused_address};
use ledger::Terms;
use reqwest::Method;
use serde_json::{Value, json};

async fn deployment() -> Deployment {
    Deployment::start(Setup::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_at_each_step_leaves_nothing_held() {
    let deployment = deployment().await;
    let client = &deployment.client;
    // Many items, so that the lines lie in several partitions.
    let mut items = Vec::new();
    for _ in 0..6 {
        items.push(client.item(2, 10).await);
    }
    let user = client.user(11).await;
    let lines: Vec<(&str, i64)> = items.iter().map(|item| (item.as_str(), 1)).collect();
    let untouched = async || {
        for item in &items {
            assert_eq!(client.stock(item).await, 10);
        }
        assert_eq!(client.credit(&user).await, 11);
    };

    let mut greedy = lines.clone();
    greedy.push((&items[3], 10));
    let order = client.order(&user, &greedy).await;
    let answer = client.checkout(&order).await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (409, "out-of-stock"),
        "two lines of one item count as their sum"
    );
    untouched().await;

    let order = client.order(&user, &lines).await;
    let answer = client.checkout(&order).await;
    assert_eq!((answer.status, answer.problem().as_str()), (402, "insufficient-credit"));
    untouched().await;

    let order = client.order("nobody", &lines).await;
    let answer = client.checkout(&order).await;
    assert_eq!((answer.status, answer.problem().as_str()), (404, "unknown-user"));
    untouched().await;

    let gone = client.item(1, 1).await;
    let mut with_gone = lines.clone();
    with_gone.push((&gone, 1));
    let order = client.order(&user, &with_gone).await;
    let key = deployment
        .stock_redis
        .run(&["--scan", "--pattern", &format!("item:*:{gone}")])
        .await;
    deployment.stock_redis.run(&["DEL", &key]).await;
    let answer = client.checkout(&order).await;
    assert_eq!((answer.status, answer.problem().as_str()), (409, "item-gone"));
    untouched().await;

    let order = client.order(&user, &[]).await;
    let answer = client.checkout(&order).await;
    assert_eq!((answer.status, answer.problem().as_str()), (409, "empty-order"));

    // A rejected order can be tried again once the reason is gone.
    let order = client.order(&user, &lines).await;
    assert_eq!(client.checkout(&order).await.status, 402);
    client.post(&format!("/payment/add_funds/{user}/1")).await;
    assert_eq!(client.checkout(&order).await.status, 200);
    assert_eq!(client.credit(&user).await, 0);
    assert_eq!(Audit::of(&deployment).await.under_way, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn checkouts_of_one_order_at_once_charge_once_and_all_hear_the_same() {
    let deployment = Deployment::start(Setup {
        replicas: 3,
        ..Setup::default()
    })
    .await;
    let client = &deployment.client;
    for round in 0..20 {
        let (user, item) = (client.user(100).await, client.item(7, 100).await);
        let order = client.order(&user, &[(&item, 2)]).await;
        let answers = join_all((0..20).map(|_| client.checkout(&order))).await;
        assert!(
            answers.iter().all(|answer| answer.status == 200),
            "round {round}: {answers:?}"
        );
        assert_eq!(
            (client.credit(&user).await, client.stock(&item).await),
            (86, 98),
            "round {round}"
        );

        let refused = client.order(&user, &[(&item, 98), (&item, 1)]).await;
        let answers = join_all((0..20).map(|_| client.checkout(&refused))).await;
        assert!(
            answers.iter().all(|answer| answer.problem() == "out-of-stock"),
            "round {round}: {answers:?}"
        );
        assert_eq!(
            (client.credit(&user).await, client.stock(&item).await),
            (86, 98),
            "round {round}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_added_at_once_are_all_there_and_none_after_the_checkout_has_begun() {
    let deployment = deployment().await;
    let client = &deployment.client;
    for _ in 0..10 {
        let (user, item) = (client.user(1_000).await, client.item(1, 1_000).await);
        let order = client.order(&user, &[]).await;
        let path = format!("/orders/addItem/{order}/{item}/1");
        let added = join_all((0..20).map(|_| client.post(&path))).await;
        assert!(added.iter().all(|answer| answer.status == 200));
        let found = client.get(&format!("/orders/find/{order}")).await.json();
        assert_eq!(found["total_cost"], 20, "{found}");

        // What was added before the checkout began is paid for; what came later was refused.
        let adding = join_all((0..20).map(|_| client.post(&path)));
        let (added, answer) = tokio::join!(adding, client.checkout(&order));
        assert_eq!(answer.status, 200);
        let late: i64 = added.iter().map(|answer| i64::from(answer.status == 200)).sum();
        for refused in added.iter().filter(|answer| answer.status != 200) {
            assert!(
                matches!(refused.problem().as_str(), "being-checked-out" | "already-paid"),
                "{refused:?}"
            );
        }
        assert_eq!(client.credit(&user).await, 1_000 - 20 - late);
        assert_eq!(client.stock(&item).await, 1_000 - 20 - late);
    }
}

/// What refuses late requests is forgotten after an hour. Until then, they have become too old.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_a_driver_that_has_slept_for_long_does_nothing() {
    let deployment = deployment().await;
    let client = &deployment.client;
    let (user, item) = (client.user(10).await, client.item(1, 10).await);
    let (stock, payment) = (&deployment.stock[0], &deployment.payment[0]);
    let long_ago = Timestamp::now().before(Terms::DEFAULT.drive_max_age.duration() * 2);
    let saga = json!({
        "saga_id": "some-order.1",
        "driven_since": long_ago,
        "fingerprint": 1,
        "user_id": user,
        "amount": 3,
        "lines": [{ "item_id": item, "quantity": 3 }],
        "item_ids": [item],
    });
    let calls = [
        (stock, "/internal/reserve"),
        (stock, "/internal/release"),
        (payment, "/internal/charge"),
        (payment, "/internal/refund"),
    ];
    for (service, path) in calls {
        let reply = service.internal_call(path, saga.clone()).await;
        assert!(reply["failed"].is_string(), "{path}: {reply}");
    }
    let audit = Audit::of(&deployment).await;
    assert!(audit.consistent, "{audit:?}");
    assert_eq!((audit.stock_holds, audit.payment_holds), (0, 0));
    assert_eq!((client.stock(&item).await, client.credit(&user).await), (10, 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_reserve_after_a_release_and_a_late_charge_after_a_refund_are_refused() {
    let deployment = deployment().await;
    let client = &deployment.client;
    let (user, item) = (client.user(10).await, client.item(1, 10).await);
    let saga = "some-order.1";
    let now = Timestamp::now();
    let reserve = json!({ "saga_id": saga, "driven_since": now, "fingerprint": 1, "lines": [{ "item_id": item, "quantity": 3 }] });
    let release = json!({ "saga_id": saga, "driven_since": now, "fingerprint": 1, "item_ids": [item] });
    let charge = json!({ "saga_id": saga, "driven_since": now, "fingerprint": 1, "user_id": user, "amount": 3 });
    let refund = json!({ "saga_id": saga, "driven_since": now, "fingerprint": 1, "user_id": user });
    let (stock, payment) = (&deployment.stock[0], &deployment.payment[0]);
    stock.internal_call("/internal/release", release.clone()).await;
    payment.internal_call("/internal/refund", refund.clone()).await;
    assert_eq!(
        stock.internal_call("/internal/reserve", reserve.clone()).await,
        json!({ "done": "undone" })
    );
    assert_eq!(
        payment.internal_call("/internal/charge", charge.clone()).await,
        json!({ "done": "undone" })
    );

    // And each call, repeated, moves nothing twice.
    let renamed = |mut call: Value| {
        call["saga_id"] = json!("some-order.2");
        call
    };
    for _ in 0..3 {
        assert_eq!(
            stock.internal_call("/internal/reserve", renamed(reserve.clone())).await,
            json!({ "done": "reserved" })
        );
        assert_eq!(
            payment.internal_call("/internal/charge", renamed(charge.clone())).await,
            json!({ "done": "charged" })
        );
    }
    assert_eq!((client.stock(&item).await, client.credit(&user).await), (7, 7));
    for _ in 0..3 {
        stock.internal_call("/internal/release", renamed(release.clone())).await;
        payment.internal_call("/internal/refund", renamed(refund.clone())).await;
    }
    assert_eq!((client.stock(&item).await, client.credit(&user).await), (10, 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn internal_calls_are_not_on_the_public_port() {
    let deployment = deployment().await;
    let client = Client::of_one_origin(&deployment.stock[0].origin());
    assert_eq!(client.call(Method::POST, "/internal/reserve").await.status, 404);
}

/// Docker sets these in every container, if its own settings name a proxy.
#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_the_environment_names_is_asked_for_nothing_of_our_own() {
    let nobody = format!("http://{}", unused_address());
    let proxies = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"].map(|name| (name, nobody.clone()));
    let mut setup = Setup::default();
    setup.settings.extend(proxies.clone());
    let deployment = Deployment::start(setup).await;
    let client = &deployment.client;
    let (user, item) = (client.user(1).await, client.item(1, 1).await);
    let order = client.order(&user, &[(&item, 1)]).await;
    assert_eq!(client.checkout(&order).await.status, 200);
    for service in [&deployment.order[0], &deployment.stock[0], &deployment.payment[0]] {
        let mut check = Command::new(binary(service.name()));
        check
            .arg("--check-health")
            .env("LISTEN", service.public.to_string())
            .envs(proxies.clone());
        let checked = check.output().expect("the program runs");
        assert!(checked.status.success(), "{checked:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_a_participant_that_is_lost_is_asked_for_again_and_nothing_happens_twice() {
    let deployment = deployment().await;
    let stock_proxy = FaultProxy::start(deployment.stock[0].internal).await;
    let payment_proxy = FaultProxy::start(deployment.payment[0].internal).await;
    let order = Service::order(
        &deployment.order_redis.url(),
        &format!("http://{}", stock_proxy.address()),
        &format!("http://{}", payment_proxy.address()),
        Setup::default().settings,
    )
    .await;
    let client = Client::new(
        vec![order.origin()],
        vec![deployment.stock[0].origin()],
        vec![deployment.payment[0].origin()],
    );
    let faults = [Fault::DropRequest, Fault::DropReply, Fault::DelayRequest];
    for fault in faults {
        for (proxy, path) in [
            (&stock_proxy, "/internal/reserve"),
            (&payment_proxy, "/internal/charge"),
        ] {
            let (user, item) = (client.user(10).await, client.item(4, 10).await);
            let order = client.order(&user, &[(&item, 1)]).await;
            proxy.arm(path, fault);
            let answer = client.checkout_decided(&order).await;
            assert_eq!(answer.status, 200, "{fault:?} {path}: {answer:?}");
            if fault == Fault::DelayRequest {
                proxy.deliver().await;
            }
            assert_eq!(
                (client.stock(&item).await, client.credit(&user).await),
                (9, 6),
                "{fault:?} {path}"
            );
        }
        let (user, item) = (client.user(3).await, client.item(4, 10).await);
        let order = client.order(&user, &[(&item, 1)]).await;
        stock_proxy.arm("/internal/release", fault);
        let answer = client.checkout_decided(&order).await;
        assert_eq!(answer.status, 402, "{fault:?} release: {answer:?}");
        if fault == Fault::DelayRequest {
            stock_proxy.deliver().await;
        }
        assert_eq!(
            (client.stock(&item).await, client.credit(&user).await),
            (10, 3),
            "{fault:?} release"
        );
    }
}
