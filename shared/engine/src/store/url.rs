//! Redis URLs: which are taken, and how they are told without their passwords.

use std::{convert::Infallible, fmt, str::FromStr};

use fred::types::config::{Config, ServerConfig};
use tokio_rustls::rustls::pki_types::ServerName;

use super::StoreError;

/// How Redis is reached, as a URL's scheme says it.
const SCHEMES: [&str; 13] = [
    "redis",
    "redis-sentinel",
    "redis-cluster",
    "rediss",
    "rediss-sentinel",
    "rediss-cluster",
    "redis+unix",
    "valkey",
    "valkey-sentinel",
    "valkey-cluster",
    "valkeys",
    "valkeys-sentinel",
    "valkeys-cluster",
];
/// How the schemes that ask for TLS begin, and the same without it.
const TLS: [(&str, &str); 2] = [("rediss", "redis"), ("valkeys", "valkey")];

/// A Redis URL. What prints it does not tell its password.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl(String);

impl RedisUrl {
    /// Whether it asks for TLS.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        TLS.iter().any(|(encrypted, _)| self.0.starts_with(encrypted))
    }
}

impl From<String> for RedisUrl {
    fn from(url: String) -> Self {
        Self(url)
    }
}

/// Whether it can be used is found out when a store is opened: what clap says of a wrong value repeats it.
impl FromStr for RedisUrl {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&redacted(&self.0))
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// Where the URL points to, without TLS. A socket's path is taken to the letter: fred would leave it percent-encoded.
pub(super) fn redis_config(url: &RedisUrl) -> Result<Config, StoreError> {
    let refused = |why: &str| StoreError::Settings(format!("{url}: {why}"));
    let Some((scheme, rest)) = url.0.split_once("://") else {
        return Err(refused("it has no scheme, as redis://host:6379 has"));
    };
    if !SCHEMES.contains(&scheme) {
        let allowed = SCHEMES.map(|scheme| format!("{scheme}://")).join(", ");
        return Err(refused(&format!("its scheme is none of {allowed}")));
    }
    if scheme == "redis+unix" {
        return Ok(Config {
            server: ServerConfig::new_unix_socket(rest),
            ..Config::default()
        });
    }
    // fred would trust the machine's authorities, and no others.
    let plain = TLS
        .iter()
        .find_map(|(encrypted, plain)| url.0.strip_prefix(encrypted).map(|rest| (plain, rest)));
    let plain = plain.map_or_else(|| url.0.clone(), |(scheme, rest)| format!("{scheme}{rest}"));
    let config = Config::from_url(&plain).map_err(|cause| refused(cause.details()))?;
    if url.is_encrypted() {
        for server in config.server.hosts() {
            if ServerName::try_from(&*server.host).is_err() {
                return Err(refused("no certificate can be for such a host"));
            }
        }
    }
    Ok(config)
}

/// A URL for people: who connects, and with which password, is left out.
#[must_use]
pub fn redacted(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        // It may be a password by mistake, or anything.
        return "***".into();
    };
    if scheme == "redis+unix" {
        return url.into();
    }
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    // A password may hold an @ that nobody has encoded, so the last one counts.
    let address = match (address.rsplit_once('@'), query.contains('@')) {
        (_, true) => "***".into(),
        (Some((_, address)), false) => format!("***@{address}"),
        (None, false) => address.to_owned(),
    };
    // A sentinel's own password is an option of the URL.
    let options = if query.is_empty() { "" } else { "?***" };
    format!("{scheme}://{address}{options}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "s3cret";

    fn config(url: &str) -> Result<Config, StoreError> {
        redis_config(&RedisUrl::from(url.to_owned()))
    }

    #[test]
    fn a_url_is_told_without_its_password() {
        for url in [
            "redis://s3cret@host:6379",
            "redis://:s3cret@host:6379/0",
            "redis://user:s3cret@host",
            "redis://user:s3cret/@host",
            "redis://user:s3cret@more@host",
            "redis://user:s3cret?@host",
            "redis-sentinel://host:26379?sentinelServiceName=m&sentinelPassword=s3cret",
            "s3cret",
            "s3cret@host",
        ] {
            let told = redacted(url);
            assert!(!told.contains(SECRET) && !told.contains("more"), "{url}: {told}");
        }
        assert_eq!(redacted("redis://host:6379/1"), "redis://host:6379/1");
        assert_eq!(
            redacted("redis+unix:///tmp/a@b/redis.sock"),
            "redis+unix:///tmp/a@b/redis.sock"
        );
    }

    #[test]
    fn what_is_unknown_is_refused_and_no_password_is_told() {
        for bad in [
            "rediss+unix://:s3cret@host:6379",
            "redisss://:s3cret@host:6379",
            "rediss-sentinel://:s3cret@host:6379",
            "rediss://:s3cret@-:6379",
            "http://:s3cret@host:6379",
            "redis+tls://:s3cret@host:6379",
            "REDIS://:s3cret@host:6379",
            "redis://:s3cret@host:99999",
            "redis://:s3cret@host:6379/0/1",
            "s3cret",
            "",
        ] {
            let refused = config(bad).err().map(|error| error.to_string());
            assert!(
                refused.as_ref().is_some_and(|text| !text.contains(SECRET)),
                "{bad}: {refused:?}"
            );
        }
        for good in [
            "redis://:s3cret@host:6379",
            "valkey://host",
            "redis-cluster://host:7000",
            "redis+unix:///a b",
        ] {
            assert!(config(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn only_the_schemes_with_an_s_ask_for_tls() {
        for url in [
            "rediss://:s3cret@host",
            "rediss-cluster://host:7000",
            "rediss-sentinel://host?sentinelServiceName=m",
            "valkeys://10.0.0.1",
        ] {
            assert!(RedisUrl::from(url.to_owned()).is_encrypted(), "{url}");
            assert!(config(url).is_ok(), "{url}");
        }
        for url in [
            "redis://rediss",
            "redis-sentinel://host",
            "redis+unix:///rediss",
            "valkey://host",
        ] {
            assert!(!RedisUrl::from(url.to_owned()).is_encrypted(), "{url}");
        }
    }
}
