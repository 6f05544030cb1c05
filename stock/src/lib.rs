//! Stock: what can be sold, and who holds how much of it.
//!
//! ```text
//! api, internal (HTTP)  ->  service  ->  decide (pure)  over  record, keys
//!                              └─ engine commits
//! ```

mod api;
mod decide;
pub mod events;
mod internal;
pub mod keys;
mod problems;
pub mod record;
mod service;

use clap::Args;
use domain::ServiceName;
use engine::EventKind;
use ledger::Terms;
use poem::Route;
use process::{InternalConfig, Resources, ServerConfig, Service};

pub use self::{api::StockApi, service::Stock};

/// Stock's own settings.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    #[command(flatten)]
    internal: InternalConfig,
    #[command(flatten)]
    terms: Terms,
}

impl Service for Stock {
    const NAME: ServiceName = ServiceName::Stock;
    const ABOUT: &'static str = "Holdfast's stock service: items, their pieces, and what sagas hold of them";
    const DESCRIPTION: &'static str = "Items, their prices and how many pieces there are.";
    const ROOTS: &'static [&'static str] = &["/stock"];

    type Settings = Settings;
    type Api = StockApi;

    fn check(settings: &Settings, _server: &ServerConfig) -> anyhow::Result<()> {
        settings.internal.check()?;
        Ok(settings.terms.check()?)
    }

    fn start(resources: Resources, settings: &Settings) -> anyhow::Result<Self> {
        Ok(Self::new(resources, settings.terms))
    }

    fn operations(&self) -> StockApi {
        StockApi::new(self.clone())
    }

    fn events() -> Vec<EventKind> {
        events::kinds()
    }

    fn internal(&self, settings: &Settings) -> Option<(InternalConfig, Route)> {
        Some((settings.internal.clone(), internal::routes(self)))
    }
}
