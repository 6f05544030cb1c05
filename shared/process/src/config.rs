//! Settings that every service has. Each is an option of the command line and an environment variable.

use std::{fmt, net::SocketAddr, path::PathBuf};

use amqp::AmqpConfig;
use bus::BusConfig;
use clap::{Args, Command, error::ErrorKind};
use credentials::{CredentialError, tls::ServerFiles};
use domain::Millis;
use engine::{EngineConfig, store::StoreConfig};
use principals::IdentityUrls;
use web::AllowedOrigins;

use crate::{ListenAt, TelemetryConfig};

/// Where a process is reached from outside.
#[derive(Debug, Clone, Args)]
pub struct ServerConfig {
    /// Where the public calls are served.
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8000")]
    pub listen: SocketAddr,
    /// Allow addresses that other machines can reach. Nothing authenticates callers.
    #[arg(long, env = "ALLOW_REMOTE")]
    pub allow_remote: bool,
    /// How many public calls are served at once. One more is refused at once.
    #[arg(long, env = "MAX_CALLS", default_value_t = 2_048, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_calls: u32,
    /// Web pages of which origins may call, besides our own: <https://shop.example>, separated by commas.
    #[arg(long, env = "ALLOWED_ORIGINS", default_value = "", hide_default_value = true)]
    pub allowed_origins: AllowedOrigins,
    /// A PEM file with the certificate for the public calls, and behind it those between it and its authority. They are served over TLS then. A file that is replaced is read again within seconds.
    #[arg(long, env = "TLS_CERTIFICATE_FILE", requires = "tls_key_file")]
    pub tls_certificate_file: Option<PathBuf>,
    /// A PEM file with the private key of that certificate.
    #[arg(long, env = "TLS_KEY_FILE", requires = "tls_certificate_file")]
    pub tls_key_file: Option<PathBuf>,
}

impl ServerConfig {
    /// The certificate and key for the public calls, if they are served over TLS.
    #[must_use]
    pub fn tls(&self) -> Option<ServerFiles> {
        files(self.tls_certificate_file.as_ref(), self.tls_key_file.as_ref())
    }
}

fn files(certificate: Option<&PathBuf>, key: Option<&PathBuf>) -> Option<ServerFiles> {
    let (certificate, key) = certificate.cloned().zip(key.cloned())?;
    Some(ServerFiles { certificate, key })
}

/// The settings of a service that runs as a process of its own.
#[derive(Debug, Clone, Args)]
pub struct ServiceConfig {
    /// Where it is reached from outside.
    #[command(flatten)]
    pub server: ServerConfig,
    /// Its Redis.
    #[command(flatten)]
    pub store: StoreConfig,
    /// The engine's bounds.
    #[command(flatten)]
    pub engine: EngineConfig,
    /// The bus.
    #[command(flatten)]
    pub bus: BusConfig,
    /// RabbitMQ.
    #[command(flatten)]
    pub amqp: AmqpConfig,
    /// Who tells it who calls.
    #[command(flatten)]
    pub identity: IdentityConfig,
    /// Its log.
    #[command(flatten)]
    pub telemetry: TelemetryConfig,
    /// A file that says by how many milliseconds this process's clock is set off. To rehearse clock faults.
    #[cfg(feature = "clock-faults")]
    #[arg(long, env = "CLOCK_OFFSET_FILE", hide = true)]
    pub clock_offset_file: Option<PathBuf>,
    /// Ask the service that runs here whether it is ready, and end: with 0 if it is.
    #[arg(long)]
    pub check_health: bool,
}

/// Settings of which each is allowed, and that make no sense together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTimes {
    /// A command would be given up before its first transaction can be.
    #[error(
        "REDIS_TIMEOUT_MS ({redis} ms) is longer than COMMAND_DEADLINE_MS ({command} ms): one Redis command has to end within the time of the change that it is for"
    )]
    CommandDeadline {
        /// How long one Redis command may take.
        redis: Millis,
        /// How long a command of the engine may take.
        command: Millis,
    },
}

/// Whether the engine's time fits its store's.
///
/// # Errors
/// The rule that is broken.
pub fn check_times(store: &StoreConfig, engine: &EngineConfig) -> Result<(), BadTimes> {
    let (redis, command) = (store.redis_timeout, engine.command_deadline);
    if redis > command {
        return Err(BadTimes::CommandDeadline { redis, command });
    }
    Ok(())
}

/// Ends the process, as it ends for an option that is wrong, if settings do not fit together.
pub fn require<E: fmt::Display>(command: &mut Command, checked: Result<(), E>) {
    if let Err(rule) = checked {
        command.error(ErrorKind::ValueValidation, rule).exit();
    }
}

impl ServiceConfig {
    /// Whether its settings make sense together.
    ///
    /// # Errors
    /// The rule that is broken.
    pub fn check(&self) -> Result<(), BadTimes> {
        check_times(&self.store, &self.engine)
    }

    /// Follows the clock offset's file, if one is set.
    #[cfg(feature = "clock-faults")]
    pub fn rehearse_clock_faults(&self) {
        if let Some(file) = &self.clock_offset_file {
            tokio::spawn(domain::clock_faults::follow(file.clone()));
        }
    }
}

/// Who tells a service who calls.
#[derive(Debug, Clone, Args)]
pub struct IdentityConfig {
    /// Identity's internal base URLs, separated by commas. Without any, nobody is known here, and calls that need a caller answer 503.
    #[arg(long, env = "IDENTITY_URLS")]
    pub identity_urls: Option<IdentityUrls>,
    /// The file with this service's own Ed25519 private key (PEM), by which the other services know it. It is read again when it changes.
    #[arg(long, env = "SERVICE_KEY_FILE")]
    pub service_key_file: Option<PathBuf>,
}

/// Where a participant of the saga is reached by the other services.
#[derive(Debug, Clone, Args)]
pub struct InternalConfig {
    /// Where the other services' calls are served: an address, or a name of this machine and a port. No gateway may reach
    /// it.
    #[arg(long, env = "INTERNAL_LISTEN", default_value = "127.0.0.1:9000")]
    pub internal_listen: ListenAt,
    /// A PEM file with the certificate for the other services' calls, as `TLS_CERTIFICATE_FILE` is for the public ones. Order then has to be told an https:// address.
    #[arg(long, env = "INTERNAL_TLS_CERTIFICATE_FILE", requires = "internal_tls_key_file")]
    pub internal_tls_certificate_file: Option<PathBuf>,
    /// A PEM file with the private key of that certificate.
    #[arg(long, env = "INTERNAL_TLS_KEY_FILE", requires = "internal_tls_certificate_file")]
    pub internal_tls_key_file: Option<PathBuf>,
}

impl InternalConfig {
    /// Whether its files can be used.
    ///
    /// # Errors
    /// They cannot.
    pub fn check(&self) -> Result<(), CredentialError> {
        self.tls().map_or(Ok(()), |files| files.check())
    }

    /// The certificate and key for the other services' calls, if they are served over TLS.
    #[must_use]
    pub fn tls(&self) -> Option<ServerFiles> {
        files(
            self.internal_tls_certificate_file.as_ref(),
            self.internal_tls_key_file.as_ref(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redis_command_that_may_outlast_its_change_is_refused() {
        let engine = |command_deadline| EngineConfig {
            command_deadline: Millis::new(command_deadline),
            ..EngineConfig::default()
        };
        let store = StoreConfig::at("redis://127.0.0.1");
        assert_eq!(check_times(&store, &engine(store.redis_timeout.get())), Ok(()));
        assert!(check_times(&store, &engine(store.redis_timeout.get() - 1)).is_err());
    }
}
