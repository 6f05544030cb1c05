//! A user's account in payment, and the credentials that other services ask for.

use harness::{Client, RedisServer, Service, eventually};
use serde_json::json;

use super::{Identity, PASSWORD};

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_opened_even_if_payment_was_away() {
    let payment_redis = RedisServer::start().await;
    let mut payment = Service::start("payment", &payment_redis.url(), Vec::new());
    payment.ready().await;
    payment.process.kill();
    let payment_url = format!("http://{}", payment.internal);
    let identity = Identity::start_with(vec![("PAYMENT_URLS", payment_url)]).await;
    identity.user("ann@shop.example").await;
    let (access, _) = identity.log_in("ann@shop.example").await;
    let user_id = identity.get("/v1/me", Some(&access)).await.text("user_id");
    payment.start_again().await;
    let client = Client::of_one_origin(&payment.origin());
    eventually("the account is open", async || {
        let found = client.get(&format!("/payment/find_user/{user_id}")).await;
        (found.status == 200).then_some(())
    })
    .await;
    client.post(&format!("/payment/add_funds/{user_id}/5")).await;
    let again = payment
        .internal_call("/internal/open_account", json!({ "user_id": user_id }))
        .await;
    assert!(again.to_string().contains("answer") || again.is_object(), "{again}");
    assert_eq!(client.credit(&user_id).await, 5, "opening it again changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_internal_port_tells_how_to_know_callers_and_no_secret() {
    let identity = Identity::start().await;
    let made = identity.admin(&["create-key", "--name", "a", "--scope", "orders:read"], "");
    let key = String::from_utf8_lossy(&made.stdout).trim().to_owned();
    let url = format!("http://{}/internal/credentials", identity.service.internal);
    let told = eventually("the key is told", async || {
        let answer = super::answer(identity.http.get(&url)).await;
        (!answer.json["api_keys"].as_array()?.is_empty()).then_some(answer)
    })
    .await;
    let text = told.json.to_string();
    assert!(!text.contains(&key[key.len() - 64..]) && !text.contains("PRIVATE"));
    assert!(told.header("x-credentials-age-ms").parse::<u64>().is_ok());
    let tag = told.header("etag").to_owned();
    let unchanged = super::answer(identity.http.get(&url).header("If-None-Match", tag)).await;
    assert_eq!(unchanged.status, 304);
    let answer = super::answer(
        identity
            .http
            .get(format!("{}/internal/credentials", identity.service.origin())),
    )
    .await;
    assert_eq!(answer.status, 404, "not on the public port");
    assert_eq!(identity.try_log_in("nobody@shop.example", PASSWORD).await.status, 401);
}
