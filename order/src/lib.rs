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

use std::{path::PathBuf, sync::Arc};

use ::saga::client::{Replicas, TrustError, trust};
use clap::Args;
use credentials::Unrepeated;
use domain::ServiceName;
use engine::EventKind;
use process::{Resources, ServerConfig, Service};
use tokio_rustls::rustls::ClientConfig;
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
    /// Stock's internal base URLs, http:// or https://, separated by commas. A name stands for all addresses that it has, and is followed.
    #[arg(long, env = "STOCK_URLS", default_value = "http://127.0.0.1:9001", value_parser = Unrepeated::<Replicas>::new())]
    stock_urls: Replicas,
    /// Payment's internal base URLs, separated by commas, likewise.
    #[arg(long, env = "PAYMENT_URLS", default_value = "http://127.0.0.1:9002", value_parser = Unrepeated::<Replicas>::new())]
    payment_urls: Replicas,
    /// A PEM file with the certificates of the authorities that stock's and payment's may be signed by, for https://. Without it, those of this machine.
    #[arg(long, env = "PARTICIPANTS_CA_FILE")]
    participants_ca_file: Option<PathBuf>,
}

impl Settings {
    /// Whom order trusts to be a participant.
    fn trust(&self) -> Result<Arc<ClientConfig>, TrustError> {
        trust(
            &[&self.stock_urls, &self.payment_urls],
            self.participants_ca_file.as_deref(),
        )
    }
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
        settings.trust()?;
        Ok(settings.saga.check_room(server.max_calls)?)
    }

    fn start(resources: Resources, settings: &Settings) -> anyhow::Result<Self> {
        let (timeout, terms) = (settings.saga.call_timeout.duration(), settings.saga.terms);
        let tls = settings.trust()?;
        let participants = Participants {
            stock: Arc::new(HttpStock::new(&settings.stock_urls, timeout, terms, tls.clone())?),
            payment: Arc::new(HttpPayment::new(&settings.payment_urls, timeout, terms, tls)?),
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
