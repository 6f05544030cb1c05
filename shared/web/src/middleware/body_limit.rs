//! How much a request's body may be. Calls below `/v1` get theirs. No other public call has one: what is sent is read, within a
//! bound, and dropped, so that the connection is fit for the next request. A gateway should have the same limit.

use bytes::Bytes;
use futures::future::Either;
use poem::{Body, Endpoint, Middleware, Request, error::ReadBodyError};

use crate::problem::{BODY_TOO_LARGE, Problem};

/// The limit, in bytes: `client_max_body_size` of deploy/gateway/nginx.conf.
pub(super) const MAX_BODY: usize = 16 * 1_024;

/// Where the calls are that have a body.
const WITH_BODY: &str = "/v1/";

/// Refuses requests whose body is larger than [`MAX_BODY`].
pub struct BodyLimit;

impl<E: Endpoint> Middleware<E> for BodyLimit {
    type Output = BodyLimitEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        BodyLimitEndpoint { inner }
    }
}

pub struct BodyLimitEndpoint<E> {
    inner: E,
}

impl<E: Endpoint> Endpoint for BodyLimitEndpoint<E> {
    type Output = E::Output;

    fn call(&self, mut request: Request) -> impl Future<Output = poem::Result<Self::Output>> + Send {
        let body = request.take_body();
        if body.is_empty() {
            return Either::Left(self.inner.call(request));
        }
        // Boxed, since its buffer of 4 kB would be a part of every call, and hardly one has a body.
        Either::Right(Box::pin(async {
            let read = read(body).await?;
            if request.uri().path().starts_with(WITH_BODY) {
                request.set_body(read);
            }
            self.inner.call(request).await
        }))
    }
}

async fn read(body: Body) -> poem::Result<Bytes> {
    match body.into_bytes_limit(MAX_BODY).await {
        Ok(read) => Ok(read),
        Err(ReadBodyError::PayloadTooLarge) => {
            let detail = format!("at most {MAX_BODY} bytes are taken, and no call needs more");
            Err(Problem::new(&BODY_TOO_LARGE, detail).into())
        }
        Err(error) => Err(error.into()),
    }
}
