//! Identity as its users, its admins and the other services meet it.

mod accounts;
mod admin;
mod bodies;
mod flood;
mod keys;
mod sessions;

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

use harness::{RedisServer, Service, binary, eventually};
use reqwest::{Method, header::HeaderMap};
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse battery";

/// An identity service on a store of its own, without payment unless its address is told.
struct Identity {
    redis: RedisServer,
    service: Service,
    http: reqwest::Client,
}

/// What a call answered.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    json: Value,
}

impl Answer {
    /// The last part of a problem's type.
    fn problem(&self) -> &str {
        let kind = self.json["type"].as_str().unwrap_or_default();
        kind.trim_start_matches("urn:holdfast:problem:")
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// A text of the answer.
    fn text(&self, member: &str) -> String {
        let text = self.json[member].as_str();
        text.unwrap_or_else(|| unreachable!("no {member}: {self:?}")).to_owned()
    }
}

impl Identity {
    async fn start() -> Self {
        Self::start_with(Vec::new()).await
    }

    async fn start_with(settings: Vec<(&'static str, String)>) -> Self {
        let redis = RedisServer::start().await;
        let mut service = Service::start("identity", &redis.url(), settings);
        service.ready().await;
        let identity = Self {
            redis,
            service,
            http: harness::tls::http().build().expect("an HTTP client"),
        };
        eventually("there is a signing key", async || {
            let answer = identity.get("/.well-known/jwks.json", None).await;
            (!answer.json["keys"].as_array()?.is_empty()).then_some(())
        })
        .await;
        identity
    }

    async fn call(&self, method: Method, path: &str, token: Option<&str>, body: Option<Value>) -> Answer {
        let mut request = self.http.request(method, format!("{}{path}", self.service.origin()));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        answer(request).await
    }

    async fn get(&self, path: &str, token: Option<&str>) -> Answer {
        self.call(Method::GET, path, token, None).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, None, Some(body)).await
    }

    /// The newest token of a mail in the outbox: `hf_vt_` to verify, `hf_pr_` to reset.
    async fn mailed(&self, prefix: &str) -> String {
        eventually("a mail", async || {
            let streams = self.redis.run(&["--scan", "--pattern", "events:*"]).await;
            let outbox = self.redis.run(&["XRANGE", streams.lines().next()?, "-", "+"]).await;
            let found = outbox.rfind(prefix)?;
            let token: String = outbox[found..]
                .chars()
                .take_while(|letter| letter.is_ascii_alphanumeric() || "._-".contains(*letter))
                .collect();
            Some(token)
        })
        .await
    }

    /// Registers a user whose address is verified.
    async fn user(&self, email: &str) {
        let registration = json!({ "email": email, "password": PASSWORD });
        assert_eq!(self.post("/v1/users", registration).await.status, 202);
        let token = self.mailed("hf_vt_").await;
        let verified = self.post("/v1/users/verify", json!({ "token": token })).await;
        assert_eq!(verified.status, 204, "{verified:?}");
    }

    async fn try_log_in(&self, email: &str, password: &str) -> Answer {
        self.post("/v1/sessions", json!({ "email": email, "password": password }))
            .await
    }

    /// Logs in, and returns the access token and the refresh token.
    async fn log_in(&self, email: &str) -> (String, String) {
        let answer = self.try_log_in(email, PASSWORD).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        (answer.text("access_token"), answer.text("refresh_token"))
    }

    async fn refresh(&self, token: &str) -> Answer {
        self.post("/v1/sessions/refresh", json!({ "refresh_token": token }))
            .await
    }

    /// Waits until a token or key is refused.
    async fn refuses(&self, token: &str) {
        eventually("what was revoked has no effect", async || {
            (self.get("/v1/me", Some(token)).await.problem() == "unauthenticated").then_some(())
        })
        .await;
    }

    /// Runs `holdfast admin` on the store, with this on standard input.
    fn admin(&self, words: &[&str], input: &str) -> Output {
        let mut command = Command::new(binary("holdfast"));
        command
            .args(["admin", "--identity-redis", &self.redis.url()])
            .args(words);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("holdfast runs");
        let mut standard_input = child.stdin.take().expect("its standard input");
        // One that reads nothing may have ended before.
        let _ = standard_input.write_all(input.as_bytes());
        drop(standard_input);
        child.wait_with_output().expect("its end")
    }

    /// The access token of an admin.
    async fn an_admin(&self) -> String {
        let made = self.admin(
            &["create-user", "--email", "root@shop.example"],
            &format!("{PASSWORD}\n"),
        );
        assert!(made.status.success(), "{made:?}");
        self.log_in("root@shop.example").await.0
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.expect("a body");
    Answer {
        status,
        headers,
        json: serde_json::from_str(&text).unwrap_or_default(),
    }
}
