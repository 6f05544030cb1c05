//! The routes that every process serves: its API, its documents, health and metrics.

use std::sync::Arc;

use bus::{Catalogue, Topic};
use bytes::Bytes;
use poem::{Endpoint, EndpointExt, IntoEndpoint, Response, Route, endpoint::make, get};
use poem_openapi::{OpenApi, OpenApiService};
use principals::Verifier;
use tokio_util::sync::CancellationToken;
use web::{
    Documentation, authenticate,
    middleware::{Admission, Allow, BodyLimit, ReadIdempotencyKey},
};

use crate::{Telemetry, Vitals, events_page, readiness::readiness};

/// Where the document of all events of this process is.
const ASYNCAPI: &str = "/asyncapi.json";

/// The public side of a service: its API below `roots`, the documents of its calls and its events, health and metrics.
///
/// Callers are known by `verifier`. The API serves at most `max_calls` calls at once. Health and metrics bypass that limit: a busy
/// service is still healthy. From `stop` on it says that it is not ready.
#[expect(clippy::too_many_arguments, reason = "two callers, each with all of them at hand")]
pub fn public_routes<A: OpenApi + 'static>(
    api: OpenApiService<A, ()>,
    events: &Catalogue,
    roots: &[&str],
    vitals: Vec<Vitals>,
    telemetry: Telemetry,
    max_calls: u32,
    verifier: Option<Verifier>,
    stop: CancellationToken,
) -> Route {
    let Documentation { document, page } = Documentation::new(&api);
    let allow = Allow::documented_in(&document);
    let page = Route::new().at("/", get(text_endpoint("text/html; charset=utf-8", page)));
    let document = get(text_endpoint("application/json", document.to_string()));
    let fixed = Route::new()
        .nest("/docs", page.with(allow.clone()))
        .at("/openapi.json", document.with(allow.clone()))
        .nest("/health", health_routes(vitals, stop).with(allow.clone()))
        .at("/metrics", get(metrics_endpoint(telemetry)).with(allow.clone()));
    let fixed = event_routes(fixed, events, &allow);
    let api = authenticate(api.into_endpoint(), verifier)
        .with(allow)
        .with(ReadIdempotencyKey)
        .with(BodyLimit)
        .with(Admission::new(max_calls as usize));
    let api = Arc::new(api);
    roots
        .iter()
        .fold(fixed, |routes, root| routes.nest_no_strip(root, api.clone()))
}

/// Adds the events' document, and its page.
///
/// Each service's events have a document of their own at the path that their `dataschema` names, which is the one behind
/// the gateway as well. A page of one service's events links that, wherever the page is served.
fn event_routes(routes: Route, events: &Catalogue, allow: &Allow) -> Route {
    let document =
        |of: &Catalogue| get(text_endpoint("application/json", of.document().to_string())).with(allow.clone());
    let topics: Vec<Topic> = events.topics().map(|(topic, _)| topic).collect();
    let routes = topics
        .iter()
        .fold(routes.at(ASYNCAPI, document(events)), |routes, topic| {
            routes.at(topic.document_path(), document(&events.only(*topic)))
        });
    let link = match *topics {
        [only] => only.document_path(),
        _ => ASYNCAPI.to_owned(),
    };
    let page = text_endpoint("text/html; charset=utf-8", events_page::page(events, &link));
    routes.at("/events", get(page).with(allow.clone()))
}

fn text_endpoint(content_type: &'static str, text: String) -> impl Endpoint<Output = Response> {
    let text = Bytes::from(text);
    make(move |_| {
        let answer = Response::builder().content_type(content_type).body(text.clone());
        async move { answer }
    })
}

fn health_routes(vitals: Vec<Vitals>, stop: CancellationToken) -> Route {
    let vitals: Arc<[Vitals]> = vitals.into();
    let ready = make(move |_| {
        let (vitals, stop) = (vitals.clone(), stop.clone());
        async move { readiness(&vitals, &stop).await }
    });
    Route::new()
        .at("/live", get(make(|_| async { "live\n" })))
        .at("/ready", get(ready))
}

fn metrics_endpoint(telemetry: Telemetry) -> impl Endpoint {
    make(move |_| {
        let text = telemetry.render();
        async move {
            Response::builder()
                .content_type("text/plain; version=0.0.4; charset=utf-8")
                .body(text)
        }
    })
}
