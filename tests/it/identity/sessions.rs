//! Users: from registration to logging out everywhere.

use reqwest::Method;
use serde_json::json;

use super::{Identity, PASSWORD};

#[tokio::test(flavor = "multi_thread")]
async fn a_user_registers_verifies_the_address_logs_in_and_is_known() {
    let identity = Identity::start().await;
    let registration = json!({ "email": "ann@shop.example", "password": PASSWORD });
    assert_eq!(identity.post("/v1/users", registration).await.status, 202);
    let early = identity.try_log_in("ann@shop.example", PASSWORD).await;
    assert_eq!((early.status, early.problem()), (403, "not-verified"));
    let token = identity.mailed("hf_vt_").await;
    let verify = json!({ "token": token });
    assert_eq!(identity.post("/v1/users/verify", verify.clone()).await.status, 204);
    assert_eq!(
        identity.post("/v1/users/verify", verify).await.problem(),
        "token-refused"
    );
    let session = identity.try_log_in("Ann@Shop.Example", PASSWORD).await;
    assert_eq!(session.status, 201);
    let location = format!("/v1/sessions/{}", session.text("session_id"));
    assert_eq!(session.header("location"), location);
    let me = identity.get("/v1/me", Some(&session.text("access_token"))).await;
    assert_eq!(me.json["email"], "ann@shop.example");
    assert_eq!(me.json["roles"], json!(["customer"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_whether_an_address_is_known() {
    let identity = Identity::start().await;
    identity.user("ann@shop.example").await;
    let register = async |email| {
        let answer = identity
            .post("/v1/users", json!({ "email": email, "password": PASSWORD }))
            .await;
        (answer.status, answer.json)
    };
    assert_eq!(register("ann@shop.example").await, register("new@shop.example").await);
    let reset = async |email| {
        let answer = identity.post("/v1/password_resets", json!({ "email": email })).await;
        (answer.status, answer.json)
    };
    assert_eq!(reset("ann@shop.example").await, reset("nobody@shop.example").await);
    let log_in = async |email, password| {
        let answer = identity.try_log_in(email, password).await;
        (answer.status, answer.json)
    };
    let wrong = log_in("ann@shop.example", "battery staple horse").await;
    assert_eq!(wrong.0, 401);
    assert_eq!(wrong, log_in("nobody@shop.example", PASSWORD).await);
    assert_eq!(wrong, log_in("no address", "short").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_is_rotated_and_an_old_one_ends_the_session_everywhere() {
    let identity = Identity::start().await;
    identity.user("ann@shop.example").await;
    let (access, first) = identity.log_in("ann@shop.example").await;
    let second = identity.refresh(&first).await.text("refresh_token");
    let again = identity.refresh(&first).await.text("refresh_token");
    assert_eq!(again, second, "a client whose answer was lost gets the same one");
    let third = identity.refresh(&second).await.text("refresh_token");
    assert_eq!(identity.refresh(&first).await.problem(), "refresh-refused");
    assert_eq!(identity.refresh(&third).await.problem(), "refresh-refused");
    identity.refuses(&access).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_clients_with_one_refresh_token_get_one_successor() {
    let identity = Identity::start().await;
    identity.user("ann@shop.example").await;
    let (_, first) = identity.log_in("ann@shop.example").await;
    let all = futures::future::join_all((0..50).map(|_| identity.refresh(&first))).await;
    let mut successors: Vec<String> = all.iter().map(|answer| answer.text("refresh_token")).collect();
    successors.dedup();
    assert_eq!(successors.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_logs_out_is_out_and_may_say_so_twice() {
    let identity = Identity::start().await;
    identity.user("ann@shop.example").await;
    let (access, refresh) = identity.log_in("ann@shop.example").await;
    let (other, other_refresh) = identity.log_in("ann@shop.example").await;
    for _ in 0..2 {
        let out = identity
            .post("/v1/sessions/logout", json!({ "refresh_token": refresh }))
            .await;
        assert_eq!(out.status, 204);
    }
    identity.refuses(&access).await;
    let everywhere = identity
        .call(Method::POST, "/v1/sessions/logout_everywhere", Some(&other), None)
        .await;
    assert_eq!(everywhere.status, 204);
    identity.refuses(&other).await;
    assert_eq!(identity.refresh(&other_refresh).await.problem(), "refresh-refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_changed_by_the_old_one_and_reset_by_a_mail() {
    const NEW: &str = "another horse battery";
    const NEWEST: &str = "the newest horse battery";
    let identity = Identity::start().await;
    identity.user("ann@shop.example").await;
    let ((access, _), (other, _)) = (
        identity.log_in("ann@shop.example").await,
        identity.log_in("ann@shop.example").await,
    );
    let change = async |old, new| {
        let body = json!({ "current_password": old, "new_password": new });
        identity
            .call(Method::POST, "/v1/me/password", Some(&access), Some(body))
            .await
    };
    assert_eq!(change("wrong horse battery", NEW).await.problem(), "wrong-credentials");
    assert_eq!(change(PASSWORD, "password").await.problem(), "password-refused");
    assert_eq!(change(PASSWORD, NEW).await.status, 204);
    identity.refuses(&other).await;
    assert_eq!(identity.get("/v1/me", Some(&access)).await.status, 200);
    assert_eq!(identity.try_log_in("ann@shop.example", PASSWORD).await.status, 401);
    assert_eq!(identity.try_log_in("ann@shop.example", NEW).await.status, 201);
    let asked = identity
        .post("/v1/password_resets", json!({ "email": "ann@shop.example" }))
        .await;
    assert_eq!(asked.status, 202);
    let token = identity.mailed("hf_pr_").await;
    let reset = json!({ "token": token, "new_password": NEWEST });
    assert_eq!(
        identity
            .post("/v1/password_resets/complete", reset.clone())
            .await
            .status,
        204
    );
    assert_eq!(
        identity.post("/v1/password_resets/complete", reset).await.problem(),
        "token-refused"
    );
    identity.refuses(&access).await;
    assert_eq!(identity.try_log_in("ann@shop.example", NEWEST).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_neither_stored_nor_logged() {
    let identity = Identity::start().await;
    identity.user("ann@shop.example").await;
    let (access, refresh) = identity.log_in("ann@shop.example").await;
    identity.get("/v1/me", Some(&access)).await;
    identity.get("/v1/me", Some("hf_sk_1_hunter2")).await;
    let keys = identity.redis.run(&["--scan", "--pattern", "user:*"]).await;
    let stored = identity.redis.run(&["GET", keys.lines().next().expect("a user")]).await;
    assert!(stored.contains("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
    let secret = &refresh[refresh.len() - 64..];
    let logged = identity.service.logs();
    assert!(logged.contains("a caller is known") && logged.contains("a caller is not known"));
    for secret in [PASSWORD, secret, &access, "hunter2"] {
        assert!(!stored.contains(secret) && !logged.contains(secret), "{secret}");
    }
}
