//! The outermost layer of every service. It gives each request its correlation id, lets the guard admit it, turns every
//! error into a problem, and counts the answer.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Instant};

use domain::{CORRELATION_HEADER, Cause, CorrelationId, TRACEPARENT_HEADER, TraceParent};
use futures::FutureExt;
use poem::{
    Endpoint, IntoResponse, Middleware, Request, Response,
    http::{HeaderValue, Method},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{AllowedOrigins, errors::explain, guard::Guard, metrics::RequestMetrics};
use crate::{INTERNAL, Problem};

/// Wraps a service's routes.
pub struct RequestScope {
    guard: Arc<Guard>,
}

impl RequestScope {
    /// Admits programs, and pages of `origins`; refuses everybody from `stop` on, except those who ask for its health.
    #[must_use]
    pub fn new(origins: AllowedOrigins, stop: CancellationToken) -> Self {
        Self {
            guard: Guard { origins, stop }.into(),
        }
    }
}

impl<E: Endpoint> Middleware<E> for RequestScope {
    type Output = RequestScopeEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        RequestScopeEndpoint {
            inner,
            guard: self.guard.clone(),
            metrics: RequestMetrics::new(),
        }
    }
}

pub struct RequestScopeEndpoint<E> {
    inner: E,
    guard: Arc<Guard>,
    metrics: RequestMetrics,
}

impl<E: Endpoint> Endpoint for RequestScopeEndpoint<E> {
    type Output = Response;

    // Not an async fn: that would hold the request twice, and what is around would move it.
    fn call(&self, request: Request) -> impl Future<Output = poem::Result<Response>> + Send {
        let started = Instant::now();
        let correlation_id = CorrelationId::accept(request.header(CORRELATION_HEADER));
        let correlation_header = HeaderValue::from_str(correlation_id.as_str());
        let traceparent = TraceParent::accept(request.header(TRACEPARENT_HEADER));
        let path = request.uri().path().to_owned();
        let span = tracing::info_span!("request", %correlation_id, method = %request.method(), path);
        let answer = async move {
            let guarded = AssertUnwindSafe(self.guarded(request, &path)).catch_unwind();
            let mut response = match guarded.await {
                Ok(Ok(response)) => response,
                Ok(Err(error)) => explain(&error, &path),
                Err(_) => Problem::new(&INTERNAL, "the request could not be served").answer(&path),
            };
            self.metrics.observe(&response, started);
            if let Ok(value) = correlation_header {
                response.headers_mut().insert(CORRELATION_HEADER, value);
            }
            Ok(response)
        };
        let cause = Cause {
            correlation_id,
            traceparent,
        };
        cause.scope(answer.instrument(span))
    }
}

impl<E: Endpoint> RequestScopeEndpoint<E> {
    /// Serves what the guard admits.
    async fn guarded(&self, request: Request, path: &str) -> poem::Result<Response> {
        let admitted = self.guard.admit(&request)?;
        if let Some(answer) = admitted.preflight(&request) {
            return Ok(admitted.allow(answer));
        }
        let answer = match self.inner.call(head_as_get(request)).await {
            Ok(answer) => answer.into_response(),
            Err(error) => explain(&error, path),
        };
        Ok(admitted.allow(answer))
    }
}

/// HEAD is a GET whose answer has no body (RFC 9110, 9.3.2); hyper leaves the body out.
fn head_as_get(mut request: Request) -> Request {
    if request.method() == Method::HEAD {
        request.set_method(Method::GET);
    }
    request
}

#[cfg(test)]
mod tests {
    use poem::{EndpointExt, Route, endpoint::make_sync};
    use tokio_util::sync::CancellationToken;

    use super::*;

    /// What holds a request and its call is moved with every layer around it, and made anew for every request.
    #[test]
    fn what_serves_a_request_is_hardly_larger_than_the_call_itself() {
        let scope = RequestScope::new(AllowedOrigins::default(), CancellationToken::new());
        let served = Route::new().at("/", make_sync(|_| "")).with(scope);
        let call = size_of_val(&served.inner.call(Request::default()));
        let around = size_of_val(&served.call(Request::default())) - call;
        assert!(around < 4 * size_of::<Request>(), "{around} bytes around {call}");
    }
}
