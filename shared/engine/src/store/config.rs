//! Where a store is, and how it is let in.

use std::path::PathBuf;

use clap::{Args, builder::TypedValueParser};
use credentials::{read_secret, tls::ClientFiles};
use domain::Millis;
use fred::types::config::{Config, TlsConfig};

use super::{
    StoreError,
    url::{RedisUrl, redis_config},
};

/// How long a Redis command may take unless it is told otherwise, in milliseconds.
const TIMEOUT: Millis = Millis::new(1_000);
/// From how many percent of its memory on a store is nearly full, likewise.
const WATERMARK_PERCENT: u8 = 90;

/// Where Redis is, and how long it may take.
#[derive(Debug, Clone, Args)]
pub struct StoreConfig {
    /// Where the service's Redis is: redis://, redis-sentinel://, redis-cluster:// or redis+unix://; over TLS rediss://, rediss-sentinel:// or rediss-cluster://. A password in it is taken from the environment alone; better is `REDIS_PASSWORD_FILE`.
    #[arg(
        long,
        env = "REDIS_URL",
        hide_env_values = true,
        default_value = "redis://127.0.0.1:6379"
    )]
    pub redis_url: RedisUrl,
    /// How it is let in.
    #[command(flatten)]
    pub access: RedisAccess,
    /// How long one Redis command, or opening a connection, may take, in milliseconds.
    #[arg(long = "redis-timeout-ms", value_name = "MILLIS", env = "REDIS_TIMEOUT_MS", default_value_t = TIMEOUT, value_parser = clap::value_parser!(u64).range(1..=60_000).map(Millis::new))]
    pub redis_timeout: Millis,
    /// From how many percent of Redis's maxmemory on nothing new is begun, so that what is under way can end.
    #[arg(long, env = "STORE_WATERMARK_PERCENT", default_value_t = WATERMARK_PERCENT, value_parser = clap::value_parser!(u8).range(1..=99))]
    pub store_watermark_percent: u8,
}

/// The files by which a Redis lets us in and by which we know it. Global, so that they may stand behind a subcommand.
#[derive(Debug, Clone, Default, Args)]
pub struct RedisAccess {
    /// A file that holds the Redis password (a trailing line end is ignored).
    #[arg(long, env = "REDIS_PASSWORD_FILE", global = true)]
    pub redis_password_file: Option<PathBuf>,
    /// A PEM file with the certificates of the authorities that Redis's certificate may be signed by, for rediss://. Without it, those of this machine.
    #[arg(long, env = "REDIS_CA_FILE", global = true)]
    pub redis_ca_file: Option<PathBuf>,
    /// A PEM file with the certificate that is shown to Redis, if it asks for one.
    #[arg(long, env = "REDIS_CERTIFICATE_FILE", global = true, requires = "redis_key_file")]
    pub redis_certificate_file: Option<PathBuf>,
    /// A PEM file with the private key of that certificate.
    #[arg(long, env = "REDIS_KEY_FILE", global = true, requires = "redis_certificate_file")]
    pub redis_key_file: Option<PathBuf>,
}

impl RedisAccess {
    /// The same for another Redis, which may speak in the clear: files of TLS are for one that encrypts.
    #[must_use]
    pub fn for_url(&self, url: &RedisUrl) -> Self {
        if url.is_encrypted() {
            return self.clone();
        }
        Self {
            redis_password_file: self.redis_password_file.clone(),
            ..Self::default()
        }
    }

    fn tls(&self) -> ClientFiles {
        let (certificate, key) = (&self.redis_certificate_file, &self.redis_key_file);
        ClientFiles {
            ca: self.redis_ca_file.clone(),
            own: certificate.clone().zip(key.clone()),
        }
    }
}

impl StoreConfig {
    /// A store at `redis_url` with the default bounds.
    #[must_use]
    pub fn at(redis_url: impl Into<String>) -> Self {
        Self {
            redis_url: RedisUrl::from(redis_url.into()),
            access: RedisAccess::default(),
            redis_timeout: TIMEOUT,
            store_watermark_percent: WATERMARK_PERCENT,
        }
    }

    /// What fred wants to know, with what the files hold.
    pub(super) fn redis(&self) -> Result<Config, StoreError> {
        let settings = |error: credentials::CredentialError| StoreError::Settings(error.to_string());
        let mut redis = redis_config(&self.redis_url)?;
        let files = self.access.tls();
        if self.redis_url.is_encrypted() {
            let tls = files.open().map_err(settings)?;
            redis.tls = Some(TlsConfig::from(tokio_rustls::TlsConnector::from(tls)));
        } else if !files.is_empty() {
            return Err(StoreError::Settings(format!(
                "{} is not encrypted, and certificates are named for it; its scheme has to begin with rediss",
                self.redis_url
            )));
        }
        if let Some(path) = &self.access.redis_password_file {
            redis.password = Some(read_secret(path).map_err(settings)?);
        }
        Ok(redis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(config: &StoreConfig) -> String {
        match config.redis() {
            Err(error) => error.to_string(),
            Ok(_) => unreachable!("it was not refused"),
        }
    }

    #[test]
    fn no_password_is_told_by_what_prints_the_settings() {
        let config = StoreConfig::at("rediss://user:s3cret@host:6379");
        assert!(!format!("{config:?} {}", config.redis_url).contains("s3cret"));
        assert!(!refusal(&config_with_ca("rediss://user:s3cret@host", "missing")).contains("s3cret"));
    }

    fn config_with_ca(url: &str, ca: &str) -> StoreConfig {
        let mut config = StoreConfig::at(url);
        config.access.redis_ca_file = Some(ca.into());
        config
    }

    #[test]
    fn certificates_for_a_url_that_is_not_encrypted_are_refused() {
        assert!(refusal(&config_with_ca("redis://:s3cret@host", "ca.pem")).contains("rediss"));
        let files = config_with_ca("", "ca.pem").access;
        let url = |text: &str| RedisUrl::from(text.to_owned());
        assert!(files.for_url(&url("redis://host")).redis_ca_file.is_none());
        assert!(files.for_url(&url("rediss://host")).redis_ca_file.is_some());
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        assert!(refusal(&config_with_ca("rediss://host", "no-such-ca.pem")).contains("no-such-ca.pem"));
        let mut config = StoreConfig::at("redis://host");
        config.access.redis_password_file = Some("no-such-password".into());
        assert!(refusal(&config).contains("no-such-password"));
    }
}
