//! Identity: who calls. It keeps users, their sessions, and API keys, and tells the other services how to know them.
//!
//! ```text
//! api (HTTP)  ->  service  ->  decide (pure)  over  record, keys
//!                   │  └─ engine commits
//!                   └─ passwords: Argon2id, before a command
//! internal    ->  snapshot: all credentials, read from the store twice a second
//! background  ->  accounts: payment opens one for each user
//! ```

mod accounts;
mod api;
mod background;
mod decide;
pub mod email;
pub mod events;
mod internal;
pub mod keys;
mod listing;
pub mod passwords;
mod problems;
pub mod record;
mod service;
mod snapshot;
pub mod tokens;

use std::{path::PathBuf, sync::Arc};

use clap::{Args, builder::TypedValueParser};
use credentials::Unrepeated;
use domain::{Millis, ServiceName};
use poem::Route;
use principals::{ServiceVerifier, Verifier};
use process::{InternalConfig, Resources, ServerConfig, Service};
use saga::client::{Replicas, TrustError, trust};
use tokio_rustls::rustls::ClientConfig;
use tokio_util::sync::CancellationToken;

pub use self::{
    accounts::{Accounts, HttpAccounts},
    api::{KeysApi, PasswordsApi, SessionsApi, UsersApi},
    problems::Refusal,
    service::{CannotHash, Identity, NewKey, NewUser, Registration},
};

/// Identity's own settings.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    #[command(flatten)]
    internal: InternalConfig,
    #[command(flatten)]
    terms: ledger::Terms,
    /// Payment's internal base URLs, http:// or https://, separated by commas. A name stands for all addresses that it has, and is followed.
    #[arg(long, env = "PAYMENT_URLS", default_value = "http://127.0.0.1:9002", value_parser = Unrepeated::<Replicas>::new())]
    payment_urls: Replicas,
    /// A PEM file with the certificates of the authorities that payment's may be signed by, for https://. Without it, those of this machine.
    #[arg(long, env = "PARTICIPANTS_CA_FILE")]
    participants_ca_file: Option<PathBuf>,
    /// How long one call to payment may take, in milliseconds.
    #[arg(long = "call-timeout-ms", value_name = "MILLIS", env = "CALL_TIMEOUT_MS", default_value_t = Millis::new(2_000), value_parser = clap::value_parser!(u64).range(10..=60_000).map(Millis::new))]
    call_timeout: Millis,
    /// The folder with the public keys of the services that may ask on the internal port: <service>.pem. It is read again when it changes. Without one, whoever reaches that port is answered; no secret is served there.
    #[arg(long, env = "SERVICE_PUBLIC_KEYS")]
    service_public_keys: Option<PathBuf>,
}

impl Service for Identity {
    const NAME: ServiceName = ServiceName::Identity;
    const ABOUT: &'static str = "Holdfast's identity service: users, their sessions, and API keys";
    const DESCRIPTION: &'static str = "Users, their sessions, and API keys.";
    const ROOTS: &'static [&'static str] = &[
        "/v1/users",
        "/v1/me",
        "/v1/sessions",
        "/v1/password_resets",
        "/v1/api_keys",
        "/.well-known",
    ];

    type Settings = Settings;
    type Api = (UsersApi, SessionsApi, PasswordsApi, KeysApi);

    fn check(settings: &Settings, _server: &ServerConfig) -> anyhow::Result<()> {
        settings.callers()?;
        settings.trust()?;
        Ok(settings.terms.check()?)
    }

    fn start(resources: Resources, settings: &Settings) -> anyhow::Result<Self> {
        let timeout = settings.call_timeout.duration();
        let accounts = HttpAccounts::new(&settings.payment_urls, timeout, settings.terms, settings.trust()?)?;
        Ok(Self::new(resources, accounts)?)
    }

    fn operations(&self) -> Self::Api {
        (
            UsersApi(self.clone()),
            SessionsApi(self.clone()),
            PasswordsApi(self.clone()),
            KeysApi(self.clone()),
        )
    }

    fn events() -> Vec<engine::EventKind> {
        events::kinds()
    }

    fn internal(&self, settings: &Settings) -> Option<(InternalConfig, Route)> {
        // `check` has read them, so they can be read, or they have changed since: then nobody is admitted.
        let callers = match settings.callers() {
            Ok(callers) => callers,
            Err(error) => {
                tracing::error!(%error, "SERVICE_PUBLIC_KEYS cannot be read; the internal port is not served");
                return None;
            }
        };
        Some((settings.internal.clone(), internal::routes(self, callers)))
    }

    fn verifier(&self) -> Option<Verifier> {
        Some(self.knows_callers())
    }

    fn background(&self, stop: CancellationToken) -> impl Future<Output = ()> + Send + 'static {
        self.work(stop)
    }
}

impl Settings {
    /// Whom identity trusts to be payment.
    fn trust(&self) -> Result<Arc<ClientConfig>, TrustError> {
        trust(&[&self.payment_urls], self.participants_ca_file.as_deref())
    }

    fn callers(&self) -> Result<Option<Arc<ServiceVerifier>>, principals::KeyFileError> {
        let folder = self.service_public_keys.as_deref();
        let callers = folder.map(|folder| ServiceVerifier::open(ServiceName::Identity, folder));
        Ok(callers.transpose()?.map(Arc::new))
    }
}
