//! What makes a service one.

use bus::{Catalogue, Topic};
use clap::Args;
use domain::ServiceName;
use engine::EventKind;
use poem::Route;
use poem_openapi::{OpenApi, OpenApiService};
use principals::Verifier;
use tokio_util::sync::CancellationToken;

use crate::{FeedApi, InternalConfig, Resources, ServerConfig};

/// One of Holdfast's services: in a process of its own ([`run`](crate::run)), or beside others in standalone.
///
/// Each is stopped in this order: its server answers what it has begun to serve, [`Service::abandon`], the end of
/// [`Service::background`], its lanes.
pub trait Service: Sized + Send + Sync + 'static {
    /// Its name.
    const NAME: ServiceName;
    /// What it is, in a sentence.
    const ABOUT: &'static str;
    /// What its public operations are about, for their document.
    const DESCRIPTION: &'static str;
    /// The paths that its public operations lie below.
    const ROOTS: &'static [&'static str];

    /// Its own settings, besides those of every process.
    type Settings: Args + Clone + Send;
    /// Its public operations.
    type Api: OpenApi + 'static;

    /// Whether its settings make sense together, and with those of the server.
    ///
    /// # Errors
    /// The rule that is broken.
    fn check(settings: &Self::Settings, server: &ServerConfig) -> anyhow::Result<()>;

    /// Starts it on its store and lanes.
    ///
    /// # Errors
    /// Something that it needs cannot be set up.
    fn start(resources: Resources, settings: &Self::Settings) -> anyhow::Result<Self>;

    /// Its public operations.
    fn operations(&self) -> Self::Api;

    /// Its public operations and the feed, with their document.
    fn api(&self, feed: FeedApi) -> OpenApiService<(Self::Api, FeedApi), ()> {
        let title = format!("Holdfast {}", Self::NAME);
        let operations = (self.operations(), feed);
        OpenApiService::new(operations, title, env!("CARGO_PKG_VERSION")).description(Self::DESCRIPTION)
    }

    /// What it announces.
    fn events() -> Vec<EventKind>;

    /// What it announces, with their document.
    #[must_use]
    fn catalogue() -> Catalogue {
        Catalogue::new(format!("Holdfast {}", Self::NAME), env!("CARGO_PKG_VERSION"))
            .with(Topic::of(Self::NAME), Self::events())
    }

    /// What it serves to other services, and where. Nothing, unless it says so.
    fn internal(&self, _settings: &Self::Settings) -> Option<(InternalConfig, Route)> {
        None
    }

    /// How it knows its callers by itself. Every other service asks identity ([`IdentityConfig`](crate::IdentityConfig)).
    fn verifier(&self) -> Option<Verifier> {
        None
    }

    /// What it does beside answering calls, until `stop`.
    fn background(&self, _stop: CancellationToken) -> impl Future<Output = ()> + Send + 'static {
        async {}
    }

    /// Drops what still runs for clients: the server has waited for them as long as it may.
    fn abandon(&self) {}
}
