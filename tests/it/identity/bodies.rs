//! Bodies and tokens that nobody should send.

use reqwest::Method;
use serde_json::json;

use super::{Answer, Identity, answer};

async fn sent(identity: &Identity, content_type: Option<&str>, body: impl Into<reqwest::Body>) -> Answer {
    let url = format!("{}/v1/users", identity.service.origin());
    let mut request = identity.http.post(url).body(body);
    if let Some(content_type) = content_type {
        request = request.header("Content-Type", content_type);
    }
    answer(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_as_documented_is_told_what_is_wrong_and_what_is_allowed() {
    let identity = Identity::start().await;
    let json = Some("application/json");
    for (body, told) in [
        ("", "no body"),
        ("{", "line 1"),
        ("[]", "the body"),
        (
            r#"{"email": "a@b", "email": "c@d", "password": "x"}"#,
            "`email` is there twice",
        ),
        (r#"{"email": "a@b", "password": "x", "admin": true}"#, "`admin`"),
        (r#"{"email": "a@b"}"#, "`password`"),
        (r#"{"email": 5, "password": "x"}"#, "email"),
        (r#"{"email": 1e3}"#, "neither 1.0 nor 1e3"),
        (r#"{"email": 1.0}"#, "neither 1.0 nor 1e3"),
        (r#"{"email": 9007199254740992}"#, "9007199254740991"),
        (
            r#"{"email": "no address", "password": "correct horse battery"}"#,
            "<name>@<domain>",
        ),
    ] {
        let refused = sent(&identity, json, body).await;
        assert_eq!(
            (refused.status, refused.problem()),
            (400, "malformed"),
            "{body}: {refused:?}"
        );
        assert!(refused.text("detail").contains(told), "{body}: {refused:?}");
    }
    let deep = "[".repeat(5_000);
    assert!(
        sent(&identity, json, deep)
            .await
            .text("detail")
            .contains("deeper than 32")
    );
    let invalid = sent(&identity, json, b"{\"email\": \"\xff\"}".to_vec()).await;
    assert!(invalid.text("detail").contains("UTF-8"), "{invalid:?}");
    for other in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
        let refused = sent(&identity, other, "{}").await;
        assert_eq!((refused.status, refused.problem()), (415, "not-json"), "{other:?}");
    }
    let large = sent(&identity, json, "x".repeat(17 * 1_024)).await;
    assert_eq!((large.status, large.problem()), (413, "body-too-large"));
    let common = json!({ "email": "a@b", "password": "football" });
    let refused = identity.post("/v1/users", common).await;
    assert_eq!((refused.status, refused.problem()), (422, "password-refused"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_known_is_told_how_to_be() {
    let identity = Identity::start().await;
    for path in ["/v1/me", "/v1/users", "/v1/api_keys"] {
        let nobody = identity.get(path, None).await;
        assert_eq!((nobody.status, nobody.problem()), (401, "unauthenticated"));
        assert_eq!(nobody.header("www-authenticate"), r#"Bearer realm="holdfast""#);
    }
    let huge = "a".repeat(8_000);
    for token in ["hunter2", "a.b.c", "hf_sk_1_2", huge.as_str()] {
        let refused = identity.get("/v1/me", Some(token)).await;
        assert_eq!(refused.status, 401);
        assert!(
            refused.header("www-authenticate").contains("invalid_token"),
            "{refused:?}"
        );
        assert!(!refused.json.to_string().contains(token));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_says_which_scope_each_operation_needs() {
    let identity = Identity::start().await;
    let document = identity.call(Method::GET, "/openapi.json", None, None).await.json;
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
    let list = &document["paths"]["/v1/users"]["get"];
    assert_eq!(list["x-required-scope"], "users:read");
    assert_eq!(list["security"], json!([{ "bearer": [] }]));
    let register = &document["paths"]["/v1/users"]["post"];
    assert!(register["security"].is_null());
    let request = register["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str();
    let name = request.and_then(|path| path.rsplit('/').next()).expect("a schema");
    let required = &document["components"]["schemas"][name]["required"];
    assert_eq!(required, &json!(["email", "password"]));
}
