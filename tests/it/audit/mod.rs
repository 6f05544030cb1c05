//! The auditor: it finds every kind of damage that somebody makes by hand, and none if there is none.

mod damage;
mod fixture;

use harness::{Audit, Deployment, Setup, Shop, eventually, let_an_hour_pass};

/// How many times a system under full load is audited.
const AUDITS: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_system_under_full_load_is_consistent_in_every_audit() {
    let deployment = Deployment::start(Setup {
        replicas: 2,
        ..Setup::default()
    })
    .await;
    let shop = Shop::open(&deployment.client).await;
    let audits = async {
        let mut seen_under_way = false;
        for number in 0..AUDITS {
            let audit = Audit::of(&deployment).await;
            assert!(audit.consistent, "audit {number}: {audit:?}");
            seen_under_way |= audit.under_way > 0;
        }
        assert!(seen_under_way, "no audit saw the system at work");
    };
    let ((), tally) = shop.buy_during(audits).await;
    assert!(tally.paid > 0 && tally.refused > 0, "{tally:?}");
    let_an_hour_pass(&deployment.order_redis).await;
    eventually("every saga is settled", async || {
        (Audit::of(&deployment).await.in_flight == 0).then_some(())
    })
    .await;
    let audit = Audit::of(&deployment).await;
    assert!(audit.consistent, "{audit:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_that_are_swapped_are_not_audited() {
    let mut deployment = Deployment::start(Setup::default()).await;
    std::mem::swap(&mut deployment.stock_redis, &mut deployment.payment_redis);
    let output = tokio::process::Command::new(harness::binary("holdfast"))
        .args(["audit", "--order-redis", &deployment.order_redis.url()])
        .args(["--stock-redis", &deployment.stock_redis.url()])
        .args(["--payment-redis", &deployment.payment_redis.url()])
        .output()
        .await
        .expect("the auditor runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("it says that it is the store of payment"), "{told}");
}
