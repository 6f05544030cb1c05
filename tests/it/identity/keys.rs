//! API keys, roles, and the keys that sign tokens.

use harness::eventually;
use reqwest::Method;
use serde_json::json;

use super::Identity;

#[tokio::test(flavor = "multi_thread")]
async fn an_api_key_may_do_what_it_was_given_until_it_is_revoked() {
    let identity = Identity::start().await;
    let admin = identity.an_admin().await;
    let new = json!({ "name": "the auditor", "scopes": ["users:read", "keys:write"] });
    let made = identity
        .call(Method::POST, "/v1/api_keys", Some(&admin), Some(new))
        .await;
    assert_eq!(made.status, 201, "{made:?}");
    let secret = made.text("secret");
    let key_id = made.json["key"]["key_id"].as_str().expect("an id").to_owned();
    assert_eq!(made.header("location"), format!("/v1/api_keys/{key_id}"));
    eventually("the key is known", async || {
        (identity.get("/v1/users", Some(&secret)).await.status == 200).then_some(())
    })
    .await;
    let path = "/v1/users/nobody/roles";
    let lacks = identity
        .call(Method::POST, path, Some(&secret), Some(json!({ "roles": [] })))
        .await;
    assert_eq!((lacks.status, lacks.problem()), (403, "forbidden"));
    assert_eq!(lacks.json["required_scope"], "users:write");
    assert!(
        lacks.header("www-authenticate").contains(r#"scope="users:write""#),
        "{lacks:?}"
    );
    let more = json!({ "name": "more", "scopes": ["orders:write"] });
    let refused = identity
        .call(Method::POST, "/v1/api_keys", Some(&secret), Some(more))
        .await;
    assert_eq!(refused.problem(), "forbidden", "nobody gives what they lack");
    assert_eq!(identity.get("/v1/me", Some(&secret)).await.problem(), "not-a-user");
    let listed = identity.get("/v1/api_keys", Some(&admin)).await;
    assert_eq!(listed.json["data"][0]["name"], "the auditor");
    assert!(!listed.json.to_string().contains(&secret[secret.len() - 64..]));
    let revoke = format!("/v1/api_keys/{key_id}/revoke");
    for _ in 0..2 {
        assert_eq!(
            identity.call(Method::POST, &revoke, Some(&admin), None).await.status,
            200
        );
    }
    identity.refuses(&secret).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_says_what_others_are_and_their_old_tokens_are_over() {
    let identity = Identity::start().await;
    let admin = identity.an_admin().await;
    identity.user("ann@shop.example").await;
    let (access, _) = identity.log_in("ann@shop.example").await;
    let user_id = identity.get("/v1/me", Some(&access)).await.text("user_id");
    let path = format!("/v1/users/{user_id}/roles");
    let operator = || Some(json!({ "roles": ["customer", "operator"] }));
    let by_herself = identity.call(Method::POST, &path, Some(&access), operator()).await;
    assert_eq!(by_herself.problem(), "forbidden");
    let by_admin = identity.call(Method::POST, &path, Some(&admin), operator()).await;
    assert_eq!(by_admin.json["roles"], json!(["customer", "operator"]));
    identity.refuses(&access).await;
    let (access, _) = identity.log_in("ann@shop.example").await;
    assert_eq!(
        identity
            .get(&format!("/v1/users/{user_id}"), Some(&access))
            .await
            .status,
        200
    );
    let unknown = json!({ "roles": ["king"] });
    let refused = identity.call(Method::POST, &path, Some(&admin), Some(unknown)).await;
    assert_eq!(refused.status, 400);
    assert!(
        refused.text("detail").contains("customer, operator, admin"),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_given_in_parts_that_miss_nobody_newest_first() {
    let identity = Identity::start().await;
    let admin = identity.an_admin().await;
    for number in 0..7 {
        let new = json!({ "name": format!("key {number}"), "scopes": [] });
        let made = identity
            .call(Method::POST, "/v1/api_keys", Some(&admin), Some(new))
            .await;
        assert_eq!(made.status, 201);
    }
    let (mut names, mut cursor) = (Vec::new(), String::new());
    loop {
        let part = identity
            .get(&format!("/v1/api_keys?limit=2{cursor}"), Some(&admin))
            .await;
        let data = part.json["data"].as_array().expect("a list").clone();
        names.extend(data.iter().map(|key| key["name"].as_str().expect("a name").to_owned()));
        match part.json["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let expected: Vec<String> = (0..7).rev().map(|number| format!("key {number}")).collect();
    assert_eq!(names, expected);
    let wrong = identity.get("/v1/api_keys?cursor=nonsense", Some(&admin)).await;
    assert_eq!(wrong.problem(), "malformed");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_the_old_key_are_taken_after_a_rotation() {
    let identity = Identity::start().await;
    identity.user("ann@shop.example").await;
    let (before, refresh) = identity.log_in("ann@shop.example").await;
    let rotated = identity.admin(&["rotate-keys"], "");
    assert!(rotated.status.success(), "{rotated:?}");
    let new_kid = String::from_utf8_lossy(&rotated.stdout);
    let new_kid = new_kid.split_whitespace().next().expect("a name").to_owned();
    let jwks = eventually("both keys are known", async || {
        let jwks = identity.get("/.well-known/jwks.json", None).await.json;
        (jwks["keys"].as_array()?.len() == 2).then_some(jwks)
    })
    .await;
    assert!(jwks.to_string().contains(&new_kid) && !jwks.to_string().contains("\"d\""));
    let mut token = refresh;
    let after = eventually("the new key signs", async || {
        let refreshed = identity.refresh(&token).await;
        token = refreshed.text("refresh_token");
        let access = refreshed.text("access_token");
        let header = access.split('.').next()?.to_owned();
        (header != before.split('.').next()?).then_some(access)
    })
    .await;
    for token in [before, after] {
        assert_eq!(identity.get("/v1/me", Some(&token)).await.status, 200);
    }
}
