//! The calls between services, as a participant serves them: one request, many calls, and a reply to each as soon as it is
//! known.

use std::{io, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use engine::EngineError;
use futures::{
    FutureExt, Stream, StreamExt,
    stream::{self, FuturesUnordered},
};
use ledger::Terms;
use metrics::{Counter, counter};
use poem::{
    Body, Response, Route, RouteMethod,
    endpoint::{make, make_sync},
    get,
    http::StatusCode,
    post,
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until, timeout, timeout_at},
};
use web::{OVERLOADED, Problem};

use crate::{
    ALIVE_PATH, BUDGET_HEADER, Budget, Call, MAX_CALLS, MAX_REQUEST_BYTES, Numbered, Reply, Request, TERMS_HEADER,
    TERMS_MISMATCHES, lines::write_line,
};

/// How many requests are served at once, of all kinds together. Each holds [`MAX_REQUEST_BYTES`] at most.
const MAX_REQUESTS: usize = 256;
/// Replies that become known this soon after another one share its write.
const GATHERED_FOR: Duration = Duration::from_millis(2);
/// A request that has no reply yet shows after this long that it has arrived.
const FIRST_SIGN: Duration = Duration::from_millis(20);

/// The internal routes of a participant, which share one bound.
pub struct InternalRoutes<S> {
    service: S,
    routes: Route,
    room: Arc<Semaphore>,
    terms: Terms,
}

impl<S: Clone + Send + Sync + 'static> InternalRoutes<S> {
    /// No routes to this service yet, for callers with the same terms. A request of somebody with others is refused: records would be kept
    /// too short for one of them.
    #[must_use]
    pub fn new(service: S, terms: Terms) -> Self {
        Self {
            service,
            terms,
            routes: Route::new().at(ALIVE_PATH, get(make_sync(|_| "alive\n"))),
            room: Arc::new(Semaphore::new(MAX_REQUESTS)),
        }
    }

    /// Lets `serve` serve every call of the requests of one kind, side by side, each until the time that it is told.
    #[must_use]
    pub fn with<Q: Request, R>(self, serve: impl Fn(S, Q, Instant) -> R + Copy + Send + Sync + 'static) -> Self
    where
        R: Future<Output = Result<Q::Answer, EngineError>> + Send + 'static,
    {
        let calls = calls_endpoint(self.service.clone(), self.terms, self.room.clone(), serve);
        Self {
            routes: self.routes.at(Q::PATH, calls),
            service: self.service,
            room: self.room,
            terms: self.terms,
        }
    }

    /// The routes, to be served.
    #[must_use]
    pub fn into_routes(self) -> Route {
        self.routes
    }
}

fn calls_endpoint<S, Q: Request, R>(
    service: S,
    terms: Terms,
    room: Arc<Semaphore>,
    serve: impl Fn(S, Q, Instant) -> R + Copy + Send + Sync + 'static,
) -> RouteMethod
where
    S: Clone + Send + Sync + 'static,
    R: Future<Output = Result<Q::Answer, EngineError>> + Send + 'static,
{
    let served = counter!("holdfast_internal_calls_total", "path" => Q::PATH);
    post(make(move |request| {
        let (service, room, served) = (service.clone(), room.clone(), served.clone());
        async move {
            let permit = room.try_acquire_owned().map_err(|_| {
                let problem = Problem::new(&OVERLOADED, "the service already handles as many requests as it may");
                poem::Error::from(problem)
            })?;
            agree(terms, &request)?;
            let budget = Budget::from_header(request.header(BUDGET_HEADER)).map_err(poem::error::BadRequest)?;
            let until = Instant::now() + budget.duration();
            let calls: Vec<Call<Q>> = timeout_at(until, parse(request, &served)).await.map_err(|_| {
                poem::Error::from_string(
                    "the request did not come within its budget",
                    StatusCode::REQUEST_TIMEOUT,
                )
            })??;
            let replies = calls.into_iter().enumerate().map(|(index, call)| {
                let service = service.clone();
                let answer = answer(move |request| serve(service, request, until), call, until);
                async move {
                    Numbered {
                        index,
                        reply: answer.await,
                    }
                }
            });
            respond(replies.collect(), permit).await
        }
    }))
}

fn agree(terms: Terms, request: &poem::Request) -> poem::Result<()> {
    let told = request.header(TERMS_HEADER);
    if terms.agree_with(told) {
        return Ok(());
    }
    counter!(TERMS_MISMATCHES).increment(1);
    let message = format!(
        "FINISHED_RETENTION_MS and DRIVE_MAX_AGE_MS must be the same for order, stock and payment: here {}, there {}",
        terms.header_value(),
        told.unwrap_or("the defaults")
    );
    tracing::error!("{message}");
    Err(poem::Error::from_string(message, StatusCode::CONFLICT))
}

async fn parse<Q: DeserializeOwned>(mut request: poem::Request, served: &Counter) -> poem::Result<Vec<Call<Q>>> {
    let body = request.take_body().into_bytes_limit(MAX_REQUEST_BYTES).await?;
    let calls: Vec<Call<Q>> = serde_json::from_slice(&body).map_err(poem::error::BadRequest)?;
    if calls.len() > MAX_CALLS {
        let message = format!("{} calls in one request; allowed are {MAX_CALLS}", calls.len());
        return Err(poem::Error::from_string(message, StatusCode::PAYLOAD_TOO_LARGE));
    }
    served.increment(calls.len() as u64);
    Ok(calls)
}

/// The reply to one call, `until` then at the latest: what takes longer, or breaks, is none of the others' trouble.
async fn answer<Q, A, R>(serve: impl FnOnce(Q) -> R, call: Call<Q>, until: Instant) -> Reply<A>
where
    R: Future<Output = Result<A, EngineError>>,
{
    let cause = call.cause();
    let correlation_id = cause.correlation_id.clone();
    // Boxed, since it is large and would be moved into each of the futures around it.
    let served = Box::pin(serve(call.request));
    let served = AssertUnwindSafe(timeout_at(until, served)).catch_unwind();
    let reply = match cause.scope(served).await {
        Ok(Ok(answer)) => Reply::from(answer),
        Ok(Err(_)) => Reply::failed("not done within the request's budget"),
        Err(_) => Reply::failed("the call broke"),
    };
    if let Reply::Failed(cause) = &reply {
        tracing::warn!(cause, correlation_id = correlation_id.as_str(), "a call failed");
    }
    reply
}

/// Answers with one write if all replies become known together, and in pieces otherwise.
async fn respond<A, C>(mut calls: FuturesUnordered<C>, permit: OwnedSemaphorePermit) -> poem::Result<Response>
where
    A: Serialize + Send + 'static,
    C: Future<Output = Numbered<A>> + Send + 'static,
{
    let first = match timeout(FIRST_SIGN, calls.next()).await {
        Ok(Some(first)) => gather(first, &mut calls).await,
        Ok(None) | Err(_) => Ok(Vec::new()),
    };
    let first = first.map_err(poem::error::InternalServerError)?;
    let body = if calls.is_empty() {
        Body::from_vec(first)
    } else {
        let begun = (!first.is_empty()).then_some(Ok(first));
        Body::from_bytes_stream(stream::iter(begun).chain(pieces(calls, permit)))
    };
    Ok(Response::builder().content_type("application/x-ndjson").body(body))
}

/// The replies that are not known yet. The request counts as served until the last of them.
fn pieces<A, C>(
    calls: FuturesUnordered<C>,
    permit: OwnedSemaphorePermit,
) -> impl Stream<Item = io::Result<Vec<u8>>> + Send + 'static
where
    A: Serialize + Send + 'static,
    C: Future<Output = Numbered<A>> + Send + 'static,
{
    stream::unfold((calls, permit), |(mut calls, permit)| async move {
        let first = calls.next().await?;
        let piece = gather(first, &mut calls).await.map_err(io::Error::from);
        Some((piece, (calls, permit)))
    })
}

/// The lines of a reply and of those that become known soon after it.
async fn gather<A, C>(first: Numbered<A>, calls: &mut FuturesUnordered<C>) -> serde_json::Result<Vec<u8>>
where
    A: Serialize,
    C: Future<Output = Numbered<A>>,
{
    let end = Instant::now() + GATHERED_FOR;
    let mut text = Vec::new();
    let mut next = Some(first);
    while let Some(reply) = next {
        write_line(&mut text, &reply)?;
        next = tokio::select! {
            biased;
            next = calls.next() => next,
            () = sleep_until(end) => None,
        };
    }
    Ok(text)
}
