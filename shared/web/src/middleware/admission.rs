//! How many calls are served at once. One more is refused at once, which costs little: so the calls that are
//! accepted are answered soon, and memory is bounded, however many callers there are.
//!
//! Source: "Handling Overload" in Site Reliability Engineering,
//! <https://sre.google/sre-book/handling-overload/>

use std::sync::Arc;

use poem::{Endpoint, Middleware, Request};
use tokio::sync::Semaphore;

use crate::problem::{OVERLOADED, Problem};

/// Bounds the calls to what it wraps.
pub struct Admission {
    permits: Arc<Semaphore>,
}

impl Admission {
    /// Admits up to `max` calls at once.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(max)),
        }
    }
}

impl<E: Endpoint> Middleware<E> for Admission {
    type Output = AdmissionEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        AdmissionEndpoint {
            inner,
            permits: self.permits.clone(),
        }
    }
}

pub struct AdmissionEndpoint<E> {
    inner: E,
    permits: Arc<Semaphore>,
}

impl<E: Endpoint> Endpoint for AdmissionEndpoint<E> {
    type Output = E::Output;

    async fn call(&self, request: Request) -> poem::Result<Self::Output> {
        let Ok(_permit) = self.permits.try_acquire() else {
            let problem = Problem::new(
                &OVERLOADED,
                "the service already handles as many calls as MAX_CALLS allows",
            );
            return Err(problem.into());
        };
        self.inner.call(request).await
    }
}
