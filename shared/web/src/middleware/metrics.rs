//! One count of all requests, and how long they took.

use std::time::Instant;

use metrics::{Counter, Histogram, counter, histogram};
use poem::Response;

/// Looked up once: a name costs more than the number.
pub(super) struct RequestMetrics {
    /// By the status' class, from 2xx.
    requests: [Counter; 4],
    seconds: Histogram,
}

impl RequestMetrics {
    pub(super) fn new() -> Self {
        let requests = |class| counter!("holdfast_http_requests_total", "status" => class);
        Self {
            requests: ["2xx", "3xx", "4xx", "5xx"].map(requests),
            seconds: histogram!("holdfast_http_request_seconds"),
        }
    }

    pub(super) fn observe(&self, response: &Response, started: Instant) {
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
