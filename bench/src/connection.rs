//! One keep-alive connection of one simulated client.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{
    Method, Request, StatusCode,
    client::conn::http1::{self, SendRequest},
    header::RETRY_AFTER,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A connection that asks one request at a time, as a browser's would.
pub(crate) struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    host: String,
}

/// What came back.
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: StatusCode,
    /// How long to wait before asking again, if the answer says so.
    pub(crate) retry_after: Option<Duration>,
    /// The whole body.
    pub(crate) body: Bytes,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// If nobody listens.
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("{address} cannot be reached"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self {
            sender,
            host: address.to_string(),
        })
    }

    /// Posts without a body.
    ///
    /// # Errors
    /// If the connection ends before the answer has come.
    pub(crate) async fn post(&mut self, path: &str) -> anyhow::Result<Answer> {
        self.ask(Method::POST, path, None).await
    }

    /// Gets.
    ///
    /// # Errors
    /// As [`Connection::post`].
    pub(crate) async fn get(&mut self, path: &str) -> anyhow::Result<Answer> {
        self.ask(Method::GET, path, None).await
    }

    /// Posts without a body, perhaps under an `Idempotency-Key`.
    ///
    /// # Errors
    /// As [`Connection::post`].
    pub(crate) async fn post_keyed(&mut self, path: &str, key: Option<&str>) -> anyhow::Result<Answer> {
        self.ask(Method::POST, path, key).await
    }

    async fn ask(&mut self, method: Method, path: &str, key: Option<&str>) -> anyhow::Result<Answer> {
        let request = Request::builder().method(method).uri(path).header("host", &self.host);
        let request = match key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        };
        let request = request.body(Empty::new())?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        let seconds = response.headers().get(RETRY_AFTER);
        let seconds = seconds.and_then(|seconds| seconds.to_str().ok()?.parse().ok());
        let body = response.into_body().collect().await?.to_bytes();
        Ok(Answer {
            status,
            retry_after: seconds.map(Duration::from_secs),
            body,
        })
    }
}

impl Answer {
    /// The answer, if it is a success.
    ///
    /// # Errors
    /// What the answer was instead.
    pub(crate) fn success(self) -> anyhow::Result<Self> {
        anyhow::ensure!(self.status.is_success(), "answered {}", self.in_words());
        Ok(self)
    }

    /// The answer for a person who has to find out why.
    pub(crate) fn in_words(&self) -> String {
        format!("{}: {}", self.status, String::from_utf8_lossy(&self.body))
    }

    /// Whether it is this refusal: the status, and the last part of the problem's type.
    pub(crate) fn is_problem(&self, status: StatusCode, slug: &str) -> bool {
        self.status == status && String::from_utf8_lossy(&self.body).contains(slug)
    }

    /// A text field of the body.
    ///
    /// # Errors
    /// If there is no such field.
    pub(crate) fn text_field(&self, name: &str) -> anyhow::Result<String> {
        let body: serde_json::Value = serde_json::from_slice(&self.body)?;
        let field = body.get(name).and_then(serde_json::Value::as_str);
        field
            .map(ToOwned::to_owned)
            .with_context(|| format!("no {name:?} in {body}"))
    }
}
