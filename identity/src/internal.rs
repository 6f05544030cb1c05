//! What the other services ask of identity. Served on a port of its own, which no gateway routes.

use std::sync::Arc;

use domain::Timestamp;
use poem::{
    Request, Response, Route,
    endpoint::make,
    get,
    http::{StatusCode, header},
};
use principals::{CREDENTIALS_AGE_HEADER, CREDENTIALS_PATH, ServiceVerifier};
use web::{Problem, UNAUTHENTICATED};

use crate::service::Identity;

/// The internal routes. With `callers`, only services that show who they are get an answer.
pub(crate) fn routes(identity: &Identity, callers: Option<Arc<ServiceVerifier>>) -> Route {
    let identity = identity.clone();
    let credentials = make(move |request: Request| {
        let answer = admit(&request, callers.as_deref()).and_then(|()| credentials(&identity, &request));
        async move { answer.map_err(poem::Error::from) }
    });
    Route::new().at(CREDENTIALS_PATH, get(credentials))
}

fn admit(request: &Request, callers: Option<&ServiceVerifier>) -> Result<(), Problem> {
    let Some(callers) = callers else {
        return Ok(());
    };
    let token = request
        .header("Authorization")
        .and_then(|header| header.strip_prefix("Bearer "));
    let refused = |why: String| {
        tracing::warn!(why, "a service is not known");
        Problem::new(&UNAUTHENTICATED, why)
    };
    let token = token.ok_or_else(|| refused("a service token is needed: `Authorization: Bearer <token>`".into()))?;
    let caller = callers
        .verify(token, Timestamp::now())
        .map_err(|error| refused(error.to_string()))?;
    tracing::debug!(service = %caller.service, "a service is known");
    Ok(())
}

fn credentials(identity: &Identity, request: &Request) -> Result<Response, Problem> {
    let snapshot = identity.snapshot()?;
    let age = snapshot.as_of.elapsed().as_millis().to_string();
    let answer = Response::builder()
        .header(CREDENTIALS_AGE_HEADER, age)
        .header(header::ETAG, &snapshot.tag);
    if request.header(header::IF_NONE_MATCH) == Some(snapshot.tag.as_str()) {
        return Ok(answer.status(StatusCode::NOT_MODIFIED).finish());
    }
    Ok(answer.content_type("application/json").body(snapshot.json.clone()))
}
