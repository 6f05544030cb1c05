use domain::ServiceName;
use engine::{Health, store::Store};
use poem::{IntoResponse, Response, http::StatusCode};
use tokio_util::sync::CancellationToken;

use crate::Trouble;

/// What a service needs in order to do its work.
#[derive(Clone)]
pub struct Vitals {
    /// Whose vitals they are.
    pub service: ServiceName,
    /// Its store.
    pub store: Store,
    /// Its lanes.
    pub lanes: Health,
    /// What is known of why its store is away. Empty, unless the process runs the store itself.
    pub trouble: Trouble,
}

impl Vitals {
    async fn check(&self) -> Result<(), String> {
        let service = self.service;
        if self.store.ping().await.is_err() {
            let reason = self.trouble.reason(service.as_str());
            let reason = reason.as_deref().unwrap_or("the store does not answer");
            return Err(format!("{service}: {reason}\n"));
        }
        self.lanes.check().map_err(|ailment| format!("{service}: {ailment}\n"))
    }
}

/// 200 if all is well and nobody has said `stop`; else 503 and what is not well, a line a service.
pub(super) async fn readiness(vitals: &[Vitals], stop: &CancellationToken) -> Response {
    if stop.is_cancelled() {
        return "stopping\n"
            .with_status(StatusCode::SERVICE_UNAVAILABLE)
            .into_response();
    }
    let checked = futures::future::join_all(vitals.iter().map(Vitals::check)).await;
    let ill: String = checked.into_iter().filter_map(Result::err).collect();
    if ill.is_empty() {
        let full = vitals.iter().filter(|vitals| vitals.store.is_nearly_full());
        let told = full.fold("ready\n".to_owned(), |told, vitals| {
            told + vitals.service.as_str() + ": the store is nearly full, and nothing new is begun\n"
        });
        told.into_response()
    } else {
        ill.with_status(StatusCode::SERVICE_UNAVAILABLE).into_response()
    }
}
