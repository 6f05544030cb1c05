//! Redis URLs: which are taken, and how they are told without their passwords.

use fred::types::config::{Config, ServerConfig};

use super::StoreError;

/// How Redis is reached, as a URL's scheme says it.
const SCHEMES: [&str; 7] = [
    "redis",
    "redis-sentinel",
    "redis-cluster",
    "redis+unix",
    "valkey",
    "valkey-sentinel",
    "valkey-cluster",
];
/// The schemes that ask for TLS. Without it fred would connect in the clear and send the password.
const TLS: [&str; 2] = ["rediss", "valkeys"];

/// Where the URL points to. A socket's path is taken to the letter: fred would leave it percent-encoded.
pub(super) fn redis_config(url: &str) -> Result<Config, StoreError> {
    let refused = |why: &str| StoreError::Settings(format!("{}: {why}", redacted(url)));
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err(refused("it has no scheme, as redis://host:6379 has"));
    };
    if TLS.iter().any(|tls| scheme.starts_with(tls)) {
        return Err(refused("TLS is not spoken here; nothing was sent"));
    }
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
    Config::from_url(url).map_err(|cause| refused(cause.details()))
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
    fn what_asks_for_tls_or_is_unknown_is_refused_and_no_password_is_told() {
        for bad in [
            "rediss://:s3cret@host:6379",
            "rediss-cluster://:s3cret@host:6379",
            "rediss-sentinel://:s3cret@host:6379",
            "valkeys://:s3cret@host:6379",
            "http://:s3cret@host:6379",
            "redis+tls://:s3cret@host:6379",
            "REDIS://:s3cret@host:6379",
            "redis://:s3cret@host:99999",
            "redis://:s3cret@host:6379/0/1",
            "s3cret",
            "",
        ] {
            let refused = redis_config(bad).err().map(|error| error.to_string());
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
            assert!(redis_config(good).is_ok(), "{good}");
        }
    }
}
