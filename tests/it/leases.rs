//! Two order processes whose drives take longer than a lease.

use std::time::Duration;

use futures::future::join_all;
use harness::{Audit, Client, Deployment, FaultProxy, Service, Setup};
use tokio::time::timeout;

const CALL_TIMEOUT: Duration = Duration::from_millis(600);
/// No call takes longer than it may, and the two of a drive take this much longer than a lease.
const LONGER_BY: Duration = Duration::from_millis(300);
const DEADLINE: Duration = Duration::from_secs(20);
/// How long after its deadline a saga has ended.
const MARGIN: Duration = Duration::from_secs(10);
/// How many drivers a saga has at most: their leases double.
const MAX_DRIVERS: u64 = 5;

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_whose_drives_take_longer_than_the_smallest_lease_do_not_overtake_each_other_for_ever() {
    // The smallest that is allowed: as long as a call.
    let lease = CALL_TIMEOUT;
    let mut setup = Setup {
        settings: [
            ("SAGA_LEASE_MS", lease),
            ("CALL_TIMEOUT_MS", CALL_TIMEOUT),
            ("SAGA_DEADLINE_MS", DEADLINE),
            ("RECOVERY_INTERVAL_MS", Duration::from_millis(50)),
        ]
        .map(|(name, time)| (name, time.as_millis().to_string()))
        .into(),
        ..Setup::default()
    };
    setup.settings.push(("CLIENT_PATIENCE_MS", "60000".into()));
    let mut deployment = Deployment::start(setup.clone()).await;
    let client = deployment.client.clone();
    let (rich, poor) = (client.user(100).await, client.user(3).await);
    let item = client.item(4, 100).await;
    let mut orders = Vec::new();
    for user in [&rich, &poor, &rich, &poor] {
        orders.push(client.order(user, &[(&item, 1)]).await);
    }
    // Nobody drives but those who have it far to the participants.
    deployment.order[0].process.kill();
    let stock = FaultProxy::start(deployment.stock[0].internal).await;
    let payment = FaultProxy::start(deployment.payment[0].internal).await;
    let urls = [&stock, &payment].map(|proxy| format!("http://{}", proxy.address()));
    let redis = deployment.order_redis.url();
    let start = || Service::order(&redis, &urls[0], &urls[1], setup.settings.clone());
    let rivals = [start().await, start().await];
    let far = Client::new(rivals.iter().map(Service::origin).collect(), Vec::new(), Vec::new());
    for proxy in [&stock, &payment] {
        proxy.lengthen((lease + LONGER_BY) / 2);
    }

    let answers = timeout(
        DEADLINE + MARGIN,
        join_all(orders.iter().map(|order| far.checkout(order))),
    );
    let answers = answers.await.expect("every saga has ended in time");
    for (answer, is_rich) in answers.iter().zip([true, false].into_iter().cycle()) {
        // Whoever was overtaken by a driver that was refused may only hear that the checkout was undone.
        let told = if is_rich { &[200][..] } else { &[402, 409] };
        assert!(told.contains(&answer.status), "{answer:?}");
    }
    let audit = Audit::at_rest(&deployment).await;
    assert_eq!(audit.under_way, 0, "{audit:?}");
    let mut drivers = 0;
    for rival in &rivals {
        drivers += rival.counted("holdfast_sagas_taken_over_total").await;
    }
    assert!(drivers > 0, "nobody was overtaken");
    assert!(drivers <= orders.len() as u64 * MAX_DRIVERS, "{drivers} drivers");
    let left = (client.stock(&item).await, client.credit(&rich).await);
    assert_eq!((audit.paid, left), (2, (98, 92)));
    assert_eq!(client.credit(&poor).await, 3);
}
