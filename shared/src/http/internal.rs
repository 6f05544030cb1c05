//! The calls between services: one request, many calls, as many replies in the same order.

use std::fmt;

use futures::future::join_all;
use poem::{Endpoint, Request, Response, endpoint::make, http::StatusCode};
use serde::{Serialize, de::DeserializeOwned};

use super::CorrelationId;
use crate::protocol::{Call, MAX_CALLS, Reply};

/// The largest request. A full one, of orders with as many lines as they may have, is far smaller than this.
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

/// An endpoint that serves every call of a request with `serve`, side by side.
pub fn calls_endpoint<S, Q, A, E, F, R>(service: S, serve: F) -> impl Endpoint<Output = Response> + 'static
where
    S: Clone + Send + Sync + 'static,
    Q: DeserializeOwned + Send + 'static,
    A: Serialize + Send + 'static,
    E: fmt::Display,
    F: Fn(S, Q) -> R + Copy + Send + Sync + 'static,
    R: Future<Output = Result<A, E>> + Send + 'static,
{
    make(move |request| {
        let service = service.clone();
        async move {
            let calls: Vec<Call<Q>> = parse(request).await?;
            let replies: Vec<Reply<A>> = join_all(
                calls
                    .into_iter()
                    .map(|call| answer(|request| serve(service.clone(), request), call)),
            )
            .await;
            let body = serde_json::to_vec(&replies).map_err(poem::error::InternalServerError)?;
            Ok::<_, poem::Error>(Response::builder().content_type("application/json").body(body))
        }
    })
}

async fn parse<Q: DeserializeOwned>(mut request: Request) -> poem::Result<Vec<Call<Q>>> {
    let body = request.take_body().into_bytes_limit(MAX_BODY_BYTES).await?;
    let calls: Vec<Call<Q>> = serde_json::from_slice(&body).map_err(poem::error::BadRequest)?;
    if calls.len() > MAX_CALLS {
        let message = format!("{} calls in one request; allowed are {MAX_CALLS}", calls.len());
        return Err(poem::Error::from_string(message, StatusCode::PAYLOAD_TOO_LARGE));
    }
    Ok(calls)
}

async fn answer<Q, A, E, R>(serve: impl FnOnce(Q) -> R, call: Call<Q>) -> Reply<A>
where
    R: Future<Output = Result<A, E>>,
    E: fmt::Display,
{
    let served = serve(call.request);
    let answer = match call.correlation_id {
        Some(correlation_id) => correlation_id.scope(served).await,
        None => served.await,
    };
    match answer {
        Ok(answer) => Reply::Done(answer),
        Err(error) => {
            let correlation_id = CorrelationId::current();
            tracing::warn!(%error, correlation_id = correlation_id.as_ref().map(CorrelationId::as_str), "a call failed");
            Reply::Failed(error.to_string())
        }
    }
}
