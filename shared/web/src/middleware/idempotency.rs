//! Makes a client's `Idempotency-Key` a [`KeyedRequest`], and marks an answer that was given before.

use engine::KeyedRequest;
use poem::{
    Endpoint, IntoResponse, Middleware, Request, Response,
    http::{HeaderValue, Method},
};

use super::{body_limit::MAX_BODY, errors::explain};
use crate::{
    MALFORMED, Problem,
    idempotency::{IDEMPOTENCY_KEY, Idempotent, REPLAYED, key},
};

/// Who asks on the open surface, where nobody says who they are.
const ANYBODY: &[u8] = b"anybody";

/// Reads the key of each request that changes something.
pub struct ReadIdempotencyKey;

impl<E: Endpoint> Middleware<E> for ReadIdempotencyKey {
    type Output = ReadIdempotencyKeyEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        ReadIdempotencyKeyEndpoint { inner }
    }
}

pub struct ReadIdempotencyKeyEndpoint<E> {
    inner: E,
}

impl<E: Endpoint> Endpoint for ReadIdempotencyKeyEndpoint<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        if !request.headers().contains_key(IDEMPOTENCY_KEY) || *request.method() == Method::GET {
            return self.inner.call(request).await.map(IntoResponse::into_response);
        }
        // Boxed, since every call would have room for what few of them need.
        Box::pin(self.keyed(request)).await
    }
}

impl<E: Endpoint> ReadIdempotencyKeyEndpoint<E> {
    async fn keyed(&self, mut request: Request) -> poem::Result<Response> {
        let key = key(request.headers()).map_err(|bad| Problem::new(&MALFORMED, bad.to_string()))?;
        let body = request.take_body().into_bytes_limit(MAX_BODY).await?;
        let uri = request.original_uri();
        let idempotent = key.map(|key| {
            let method = request.method().as_str();
            let name = [ANYBODY, method.as_bytes(), uri.path().as_bytes(), key.as_bytes()];
            Idempotent::new(KeyedRequest::new(
                &name,
                &[uri.query().unwrap_or_default().as_bytes(), &body],
            ))
        });
        let path = uri.path().to_owned();
        request.set_body(body);
        if let Some(idempotent) = &idempotent {
            request.extensions_mut().insert(idempotent.clone());
        }
        let answered = self.inner.call(request).await.map(IntoResponse::into_response);
        let mut answer = answered.unwrap_or_else(|error| explain(&error, &path));
        if idempotent.is_some_and(|idempotent| idempotent.is_replayed()) {
            answer.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        }
        Ok(answer)
    }
}
