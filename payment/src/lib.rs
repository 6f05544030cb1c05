//! Payment: what users can spend, and what sagas have charged.
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

pub use self::{api::PaymentApi, service::Payment};

/// Payment's own settings.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    #[command(flatten)]
    internal: InternalConfig,
    #[command(flatten)]
    terms: Terms,
}

impl Service for Payment {
    const NAME: ServiceName = ServiceName::Payment;
    const ABOUT: &'static str = "Holdfast's payment service: users, their credit, and what sagas took of it";
    const DESCRIPTION: &'static str = "Users and their credit.";
    const ROOTS: &'static [&'static str] = &["/payment"];

    type Settings = Settings;
    type Api = PaymentApi;

    fn check(settings: &Settings, _server: &ServerConfig) -> anyhow::Result<()> {
        settings.internal.check()?;
        Ok(settings.terms.check()?)
    }

    fn start(resources: Resources, settings: &Settings) -> anyhow::Result<Self> {
        Ok(Self::new(resources, settings.terms))
    }

    fn operations(&self) -> PaymentApi {
        PaymentApi::new(self.clone())
    }

    fn events() -> Vec<EventKind> {
        events::kinds()
    }

    fn internal(&self, settings: &Settings) -> Option<(InternalConfig, Route)> {
        Some((settings.internal.clone(), internal::routes(self)))
    }
}
