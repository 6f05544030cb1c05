//! The outermost layer of every service: correlation, one shape for all errors, one count for all
//! requests.

use std::{panic::AssertUnwindSafe, time::Instant};

use futures::FutureExt;
use metrics::{Counter, Histogram, counter, histogram};
use poem::{
    Endpoint, IntoResponse, Middleware, Request, Response,
    http::{HeaderValue, header::ALLOW},
};
use poem_openapi::error::ParsePathError;
use tracing::Instrument;

use super::{
    allow::AllowedMethods,
    correlation::{CORRELATION_HEADER, CorrelationId},
    problem::{INTERNAL, MALFORMED, Problem, respond},
};

/// Wraps a service's routes.
pub(super) struct Edge;

impl<E: Endpoint> Middleware<E> for Edge {
    type Output = EdgeEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        EdgeEndpoint {
            inner,
            metrics: EdgeMetrics::new(),
        }
    }
}

pub(super) struct EdgeEndpoint<E> {
    inner: E,
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

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let started = Instant::now();
        let correlation_id = CorrelationId::accept(request.header(CORRELATION_HEADER));
        let path = request.uri().path().to_owned();
        let span = tracing::info_span!("request", %correlation_id, method = %request.method(), path);
        let work = AssertUnwindSafe(self.inner.call(request)).catch_unwind();
        let mut response = correlation_id
            .clone()
            .scope(
                async {
                    let response = match work.await {
                        Ok(Ok(response)) => response.into_response(),
                        Ok(Err(error)) => explain(&error, &path),
                        Err(_) => Problem::new(&INTERNAL, "the request could not be served").answer(&path),
                    };
                    self.metrics.observe(&response, started);
                    response
                }
                .instrument(span),
            )
            .await;
        if let Ok(value) = HeaderValue::from_str(correlation_id.as_str()) {
            response.headers_mut().insert(CORRELATION_HEADER, value);
        }
        Ok(response)
    }
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
        return Problem::new(&MALFORMED, &parameter.reason).answer(path);
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
