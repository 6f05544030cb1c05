//! The outermost layer of every service: correlation, what no service has to look at, one shape for all errors, one
//! count for all requests.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Instant};

use futures::FutureExt;
use metrics::{Counter, Histogram, counter, histogram};
use poem::{
    Endpoint, IntoResponse, Middleware, Request, Response,
    http::{HeaderValue, Method, header::ALLOW},
};
use poem_openapi::error::ParsePathError;
use tracing::Instrument;

use super::{
    allow::AllowedMethods,
    correlation::{CORRELATION_HEADER, CorrelationId},
    guard::Guard,
    problem::{INTERNAL, MALFORMED, Problem, respond},
};

/// Wraps a service's routes.
pub(super) struct Edge {
    guard: Arc<Guard>,
}

impl Edge {
    pub(super) fn new(guard: Guard) -> Self {
        Self { guard: guard.into() }
    }
}

impl<E: Endpoint> Middleware<E> for Edge {
    type Output = EdgeEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        EdgeEndpoint {
            inner,
            guard: self.guard.clone(),
            metrics: EdgeMetrics::new(),
        }
    }
}

pub(super) struct EdgeEndpoint<E> {
    inner: E,
    guard: Arc<Guard>,
    metrics: EdgeMetrics,
}

/// Looked up once: a name costs more than the number.
struct EdgeMetrics {
    /// By the status' class, from 2xx.
    requests: [Counter; 4],
    seconds: Histogram,
}

impl<E: Endpoint> Endpoint for EdgeEndpoint<E> {
    type Output = Response;

    // Not an async fn: that would hold the request twice, and what is around would move it.
    fn call(&self, request: Request) -> impl Future<Output = poem::Result<Response>> + Send {
        let started = Instant::now();
        let correlation_id = CorrelationId::accept(request.header(CORRELATION_HEADER));
        let correlation_header = HeaderValue::from_str(correlation_id.as_str());
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
        correlation_id.scope(answer.instrument(span))
    }
}

impl<E: Endpoint> EdgeEndpoint<E> {
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

impl EdgeMetrics {
    fn new() -> Self {
        let requests = |class| counter!("holdfast_http_requests_total", "status" => class);
        Self {
            requests: ["2xx", "3xx", "4xx", "5xx"].map(requests),
            seconds: histogram!("holdfast_http_request_seconds"),
        }
    }

    fn observe(&self, response: &Response, started: Instant) {
        let status = response.status();
        let elapsed = started.elapsed();
        let class = usize::from(status.as_u16() / 100).clamp(2, 5) - 2;
        self.requests[class].increment(1);
        self.seconds.record(elapsed.as_secs_f64());
        if status.is_server_error() {
            tracing::warn!(status = status.as_u16(), ?elapsed, "answered");
        } else {
            tracing::debug!(status = status.as_u16(), ?elapsed, "answered");
        }
    }
}

/// Turns an error into its answer: one of ours as it says, one of poem's by its status.
fn explain(error: &poem::Error, path: &str) -> Response {
    if let Some(problem) = error.data::<Problem>() {
        return problem.answer(path);
    }
    let status = error.status();
    if let Some(parameter) = error.downcast_ref::<ParsePathError>() {
        // poem-openapi names the parameter by its position; the reason says what is allowed.
        return Problem::new(&MALFORMED, reason(&parameter.reason)).answer(path);
    }
    if status.as_u16() == MALFORMED.status {
        return Problem::new(&MALFORMED, error.to_string()).answer(path);
    }
    // RFC 9457, 4.2.1: about:blank says no more than the status does.
    let title = status.canonical_reason().unwrap_or("Error");
    let mut response = respond(status.as_u16(), "about:blank", title, &error.to_string(), path, None);
    if let Some(AllowedMethods(methods)) = error.data()
        && let Ok(methods) = HeaderValue::from_str(methods)
    {
        response.headers_mut().insert(ALLOW, methods);
    }
    response
}

/// What is allowed, without the name that the type has in the program, which poem-openapi puts before it.
fn reason(said: &str) -> &str {
    said.strip_prefix("failed to parse \"")
        .and_then(|said| said.split_once("\": "))
        .map_or(said, |(_, reason)| reason)
}

#[cfg(test)]
mod tests {
    use poem::{EndpointExt, Route, endpoint::make_sync};
    use poem_openapi::types::ParseFromParameter;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::{
        amounts::{Credits, Quantity},
        bulk::RecordCount,
        http::AllowedOrigins,
        ids::ItemId,
    };

    #[test]
    fn a_refused_parameter_names_no_type_of_the_program() {
        fn said<T: ParseFromParameter>(text: &str) -> String {
            let refused = T::parse_from_parameter(text).err().expect("a refusal");
            reason(refused.message()).to_owned()
        }
        let most = i64::MAX;
        assert_eq!(
            said::<Quantity>("-1"),
            format!("an amount is a whole number from 0 to {most}")
        );
        assert_eq!(
            said::<Credits>("+1"),
            format!("an amount is a whole number from 0 to {most}")
        );
        assert!(said::<RecordCount>("x").starts_with("the number of records is"));
        assert!(said::<ItemId>("").starts_with("an id is"));
        assert_eq!(reason("anything else"), "anything else");
    }

    /// What holds a request and its call is moved with every layer around it, and made anew for every request.
    #[test]
    fn what_serves_a_request_is_hardly_larger_than_the_call_itself() {
        let guard = Guard {
            origins: AllowedOrigins::default(),
            stop: CancellationToken::new(),
        };
        let edge = Route::new().at("/", make_sync(|_| "")).with(Edge::new(guard));
        let call = size_of_val(&edge.inner.call(Request::default()));
        let around = size_of_val(&edge.call(Request::default())) - call;
        assert!(around < 4 * size_of::<Request>(), "{around} bytes around {call}");
    }
}
