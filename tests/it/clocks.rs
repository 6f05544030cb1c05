//! Processes whose clocks are off. What is decided is decided by the stores' clocks.

use std::time::Duration;

use domain::Timestamp;
use harness::{Audit, Client, Clock, Deployment, Service, Setup, eventually, let_an_hour_pass};
use serde_json::json;

use crate::records::fingerprint;

/// Three services, and one more order process whose clock is ahead.
struct Scene {
    deployment: Deployment,
    /// A client that knows nothing of the process whose clock is ahead.
    client: Client,
    _ahead: Service,
    _clock: Clock,
}

impl Scene {
    async fn start(ahead_by: Duration) -> Self {
        let deployment = Deployment::start(Setup::default()).await;
        let clock = Clock::default();
        clock.set_ahead(ahead_by);
        let url = |service: &Service| format!("http://{}", service.internal);
        let ahead = Service::order(
            &deployment.order_redis.url(),
            &url(&deployment.stock[0]),
            &url(&deployment.payment[0]),
            [Setup::default().settings, vec![clock.setting()]].concat(),
        )
        .await;
        eventually("it has seen that its clock is off", async || {
            ahead.logs().contains("this process's clock was set off").then_some(())
        })
        .await;
        Self {
            client: deployment.client.clone(),
            deployment,
            _ahead: ahead,
            _clock: clock,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_a_minute_ahead_gives_nobody_elses_sagas_up() {
    let scene = Scene::start(Duration::from_secs(60)).await;
    let client = &scene.client;
    let (user, item) = (client.user(100).await, client.item(1, 100).await);
    let payment = &scene.deployment.payment[0].process;
    for _ in 0..20 {
        let order = client.order(&user, &[(&item, 1)]).await;
        payment.signal("STOP");
        let checkout = client.checkout(&order);
        let goes_on = async {
            // The saga waits for payment, and is seen by whoever looks for what is unfinished.
            eventually("the pieces are held", async || {
                (Audit::of(&scene.deployment).await.under_way > 0).then_some(())
            })
            .await;
            payment.signal("CONT");
        };
        let (answer, ()) = tokio::join!(checkout, goes_on);
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_hours_ahead_settles_nothing_too_early() {
    let scene = Scene::start(Duration::from_secs(3 * 60 * 60)).await;
    let client = &scene.client;
    let (user, item) = (client.user(10).await, client.item(1, 10).await);
    let (old, new) = (
        client.order(&user, &[(&item, 1)]).await,
        client.order(&user, &[(&item, 3)]).await,
    );
    assert_eq!(client.checkout(&old).await.status, 200);
    let_an_hour_pass(&scene.deployment.order_redis).await;
    let driven_since = Timestamp::now();
    assert_eq!(client.checkout(&new).await.status, 200);
    eventually("the old saga is settled", async || {
        (Audit::of(&scene.deployment).await.in_flight == 1).then_some(())
    })
    .await;
    let payment = &scene.deployment.payment[0];
    let charge = json!({
        "saga_id": format!("{new}.1"), "driven_since": driven_since, "user_id": user, "amount": 3,
        "fingerprint": fingerprint(&user, &[(&item, 3)], 3)
    });
    let repeated = payment.internal_call("/internal/charge", charge).await;
    assert_eq!(repeated, json!({ "done": "charged" }));
    assert_eq!(client.credit(&user).await, 6, "the repeated charge took nothing");
    let settle = json!({ "saga_id": format!("{new}.1"), "paid_since": driven_since, "user_id": user });
    let refused = payment.internal_call("/internal/settle", settle).await;
    assert!(
        refused["failed"].is_string(),
        "payment sees by its own store's clock that it is too early: {refused}"
    );
    assert!(Audit::of(&scene.deployment).await.consistent);
}
