//! Order: what is bought, and the saga that settles it.
//!
//! ```text
//! api (HTTP)  ->  service, checkout  ─┬─>  saga  ->  decide (pure)  over  record, keys
//!                 recovery           ─┘     │  └─ engine commits
//!                                           └─ participants: stock and payment
//! ```

mod api;
mod checkout;
pub mod config;
mod decide;
mod drivers;
pub mod events;
pub mod inflight;
pub mod keys;
pub mod lease;
mod metrics;
pub mod participants;
mod problems;
mod random_orders;
pub mod record;
mod recovery;
mod retry;
mod room;
mod saga;
mod sales;
mod service;

use std::sync::Arc;

use ::saga::client::Replicas;
use clap::Args;
use domain::ServiceName;
use engine::EventKind;
use process::{Resources, ServerConfig, Service};
use tokio_util::sync::CancellationToken;

pub use self::{
    api::{OrderApi, OrderEventsApi},
    service::Orders,
};
use self::{
    config::SagaConfig,
    participants::{HttpPayment, HttpStock, Participants},
    recovery::Recovery,
};

/// Order's own settings.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    #[command(flatten)]
    saga: SagaConfig,
    /// Stock's internal base URLs, separated by commas. A name stands for all addresses that it has, and is followed.
    #[arg(long, env = "STOCK_URLS", default_value = "http://127.0.0.1:9001")]
    stock_urls: Replicas,
    /// Payment's internal base URLs, separated by commas, likewise.
    #[arg(long, env = "PAYMENT_URLS", default_value = "http://127.0.0.1:9002")]
    payment_urls: Replicas,
}

impl Service for Orders {
    const NAME: ServiceName = ServiceName::Order;
    const ABOUT: &'static str = "Holdfast's order service: orders, and the checkout that settles them";
    const DESCRIPTION: &'static str = "Orders, and the checkout that settles them.";
    const ROOTS: &'static [&'static str] = &["/orders", "/v1/orders"];

    type Settings = Settings;
    type Api = (OrderApi, OrderEventsApi);

    fn check(settings: &Settings, server: &ServerConfig) -> anyhow::Result<()> {
        settings.saga.check()?;
        Ok(settings.saga.check_room(server.max_calls)?)
    }

    fn start(resources: Resources, settings: &Settings) -> anyhow::Result<Self> {
        let (timeout, terms) = (settings.saga.call_timeout.duration(), settings.saga.terms);
        let participants = Participants {
            stock: Arc::new(HttpStock::new(&settings.stock_urls, timeout, terms)?),
            payment: Arc::new(HttpPayment::new(&settings.payment_urls, timeout, terms)?),
        };
        Ok(Self::new(resources, settings.saga.clone(), participants))
    }

    fn operations(&self) -> Self::Api {
        (OrderApi::new(self.clone()), OrderEventsApi::new(self.clone()))
    }

    fn events() -> Vec<EventKind> {
        events::kinds()
    }

    fn background(&self, stop: CancellationToken) -> impl Future<Output = ()> + Send + 'static {
        let (recovery, live) = (Recovery::new(self), self.live.clone());
        let follow = stop.clone();
        let live = async move {
            if let Some(live) = live {
                live.run(follow).await;
            }
        };
        async {
            tokio::join!(recovery.run(stop), live);
        }
    }

    /// Recovery, here or in another process, takes over what is dropped.
    fn abandon(&self) {
        self.drivers.abandon();
    }
}
