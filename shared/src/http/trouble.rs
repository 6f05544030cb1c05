//! What is wrong with the stores, for whoever asks whether this process is ready.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Arc, Mutex, PoisonError},
};

use poem::{Endpoint, EndpointExt, IntoResponse, Response, http::StatusCode};
use shared::store::Store;

const READINESS: &str = "/health/ready";

/// What the supervisors of the redis-servers know.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trouble(Arc<Mutex<BTreeMap<&'static str, String>>>);

impl Trouble {
    /// A store is away, for this reason.
    pub(crate) fn tell(&self, store: &'static str, reason: String) {
        self.reasons().insert(store, reason);
    }

    /// A store is back.
    pub(crate) fn is_over(&self, store: &'static str) {
        self.reasons().remove(store);
    }

    fn reasons(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds to the answer "not ready" which store it is, and why.
    pub(crate) fn explained<E>(self, routes: E, stores: [(&'static str, Store); 3]) -> impl Endpoint<Output = Response>
    where
        E: Endpoint + 'static,
    {
        let stores = Arc::new(stores);
        routes.around(move |routes, request| {
            let (trouble, stores) = (self.clone(), stores.clone());
            async move {
                let asks = request.uri().path() == READINESS;
                // An error goes on as it is: what it says stands in its data, which the outermost layer turns into an answer.
                let response = routes.call(request).await?.into_response();
                if !asks || response.status().is_success() {
                    return Ok(response);
                }
                let reasons = trouble.of(&*stores).await;
                let said = response.into_body().into_string().await.unwrap_or_default();
                Ok(format!("{said}{reasons}")
                    .with_status(StatusCode::SERVICE_UNAVAILABLE)
                    .into_response())
            }
        })
    }

    /// A line for each store that is away.
    async fn of(&self, stores: &[(&'static str, Store)]) -> String {
        let answers = futures::future::join_all(stores.iter().map(|(_, store)| store.ping())).await;
        let mut lines = String::new();
        for ((name, _), answer) in stores.iter().zip(answers) {
            let reason = self.reasons().get(name).cloned();
            if let Some(reason) = reason.or_else(|| answer.err().map(|error| error.to_string())) {
                let _ = writeln!(lines, "{name}: {reason}");
            }
        }
        lines
    }
}
