//! A whole shop whose stores and bus are reached over TLS alone.

use std::process::Command;

use harness::{Audit, Authority, Deployment, FaultProxy, RedisServer, Setup, Shop, binary, eventually};

use super::redis;

/// Everything with certificates at both ends: those of the servers, and one that the services show.
#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_goes_through_and_is_audited_over_tls_with_certificates_at_both_ends() {
    let authority = Authority::new();
    let (shown, own) = (authority.issue(), authority.issue_for("holdfast"));
    let server = || RedisServer::start_tls(&authority, &shown, &[]);
    let (stock, payment, order, bus) = tokio::join!(server(), server(), server(), server());
    let mut setup = Setup::default();
    setup.settings.push(("REDIS_CA_FILE", authority.ca_setting()));
    setup
        .settings
        .extend(own.settings("REDIS_CERTIFICATE_FILE", "REDIS_KEY_FILE"));
    setup.settings.push(("BUS_URL", bus.url()));
    let deployment = Deployment::start_on(setup, stock, payment, order).await;
    let client = &deployment.client;
    let orders = client.payable_orders(5).await;
    for order in &orders {
        assert_eq!(client.checkout_decided(order).await.status, 200);
    }

    let files = [
        authority.ca_setting(),
        own.certificate.display().to_string(),
        own.key.display().to_string(),
    ];
    let bus_url = bus.url();
    let access = [
        "--redis-ca-file",
        &files[0],
        "--redis-certificate-file",
        &files[1],
        "--redis-key-file",
        &files[2],
    ];
    let options = [&access[..], &["--bus-redis", &bus_url]].concat();
    let audit = eventually("every event is on the bus", async || {
        let audit = Audit::with(&deployment, &options).await;
        assert!(audit.consistent, "{audit:#?}");
        (audit.entries_waiting == 0 && audit.under_way == 0).then_some(audit)
    })
    .await;
    assert_eq!(audit.paid, 5);
    assert!(audit.events > 0, "{audit:?}");
    let groups = Command::new(binary("holdfast"))
        .args(["events", "groups", "--bus-redis", &bus_url])
        .args(access)
        .output()
        .expect("the program runs");
    assert!(groups.status.success(), "{groups:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_done_twice_while_encrypted_connections_are_cut() {
    const CUTS: usize = 20;
    let authority = Authority::new();
    let shown = authority.issue();
    let (stock, payment, order) = tokio::join!(
        redis(&authority, &shown),
        redis(&authority, &shown),
        redis(&authority, &shown)
    );
    let proxy = FaultProxy::start(order.tls_address()).await;
    let mut setup = Setup::default();
    setup.settings.push(("REDIS_CA_FILE", authority.ca_setting()));
    setup.order_redis = Some(format!("rediss://{}", proxy.address()));
    let deployment = Deployment::start_on(setup, stock, payment, order).await;
    let client = &deployment.client;
    let shop = Shop::open(client).await;
    let ((), tally) = shop
        .buy_during(async {
            for _ in 0..CUTS {
                proxy.cut();
                let order = eventually("an order is created between two cuts", async || {
                    let user = client.user(1).await;
                    let path = format!("/orders/create/{user}");
                    let answer = client.try_call(reqwest::Method::POST, &path).await.ok()?;
                    (answer.status == 200).then_some(answer)
                })
                .await;
                assert!(order.json()["order_id"].is_string());
            }
        })
        .await;
    assert!(tally.paid > 0, "{tally:?}");
}
