//! Connections to Redis that carry nothing any more, though they stay open and what is sent is acknowledged: a hung
//! server behind a middlebox. Nobody ever says that they are broken.

use std::time::{Duration, Instant};

use harness::{Audit, Deployment, FaultProxy, RedisServer, Setup, eventually};
use reqwest::Method;

const REDIS_TIMEOUT: Duration = Duration::from_millis(500);
/// A connection is known to be dead within one timeout, and the call that meets that asks on another one.
const HEALED_WITHIN: Duration = REDIS_TIMEOUT.saturating_mul(2);
/// What the machine may add.
const MARGIN: Duration = Duration::from_millis(500);

/// A deployment whose order reaches its Redis through a proxy.
async fn start() -> (Deployment, FaultProxy) {
    let mut setup = Setup::default();
    let timeout = REDIS_TIMEOUT.as_millis().to_string();
    setup.settings.push(("REDIS_TIMEOUT_MS", timeout));
    setup.order_settings.push(("CLIENT_PATIENCE_MS", "300".into()));
    setup.order_settings.push(("CALL_TIMEOUT_MS", "200".into()));
    let (stock, payment, order) = tokio::join!(RedisServer::start(), RedisServer::start(), RedisServer::start());
    let proxy = FaultProxy::start(order.address()).await;
    setup.order_redis = Some(format!("redis://{}", proxy.address()));
    (Deployment::start_on(setup, stock, payment, order).await, proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_and_readiness_heal_within_two_command_timeouts_when_connections_fall_silent() {
    let (deployment, redis) = start().await;
    let client = &deployment.client;
    let (user, item) = (client.user(10).await, client.item(4, 10).await);
    let order = client.order(&user, &[(&item, 1)]).await;
    for path in [format!("/orders/find/{order}"), "/health/ready".to_owned()] {
        redis.silence();
        let silent = Instant::now();
        let healed = eventually(&format!("{path} is answered"), async || {
            let late = silent.elapsed() > HEALED_WITHIN + MARGIN;
            let answer = client.try_call(Method::GET, &path).await.ok()?;
            (late || answer.status == 200).then_some(answer.status == 200)
        })
        .await;
        assert!(healed, "{path} is not answered {:?} after", silent.elapsed());
        assert!(
            silent.elapsed() <= HEALED_WITHIN + MARGIN,
            "{path}: {:?}",
            silent.elapsed()
        );
    }
    assert_eq!(client.checkout_decided(&order).await.status, 200, "lanes heal too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_is_recovered_though_all_connections_to_redis_have_fallen_silent() {
    /// The lease, and four calls to each participant.
    const DRIVEN_WITHIN: Duration = Duration::from_secs(5);
    let (mut deployment, redis) = start().await;
    let client = deployment.client.clone();
    let (user, item) = (client.user(10).await, client.item(4, 10).await);
    let order = client.order(&user, &[(&item, 1)]).await;
    deployment.payment[0].process.kill();
    assert_eq!(client.checkout(&order).await.status, 503);
    redis.silence();
    deployment.payment[0].start_again().await;
    // Nobody asks order for anything meanwhile: recovery has to notice by itself.
    let recovered = tokio::time::timeout(HEALED_WITHIN + DRIVEN_WITHIN, Audit::at_rest(&deployment)).await;
    assert_eq!(recovered.map(|audit| audit.paid).ok(), Some(1));
}
