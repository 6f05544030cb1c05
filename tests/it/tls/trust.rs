//! Whoever cannot be trusted is refused, soon and with what is wrong.

use std::{
    process::{Command, Output},
    time::{Duration, Instant},
};

use harness::{Authority, RedisServer, binary, unused_address};

use super::redis;

/// How long a program may take until it has refused.
const SOON: Duration = Duration::from_secs(10);

/// Runs the stock service, which is to end by itself, on a store at this URL.
fn stock(url: &str, settings: &[(&str, String)]) -> String {
    let mut command = Command::new(binary("stock"));
    command
        .env("REDIS_URL", url)
        .env("LISTEN", unused_address().to_string())
        .env("INTERNAL_LISTEN", unused_address().to_string())
        .envs(settings.iter().map(|(name, value)| (*name, value)));
    refused(command)
}

/// Runs the auditor on stores at this URL.
fn audit(url: &str, options: &[&str]) -> String {
    let mut command = Command::new(binary("holdfast"));
    command
        .args([
            "audit",
            "--order-redis",
            url,
            "--stock-redis",
            url,
            "--payment-redis",
            url,
        ])
        .args(options);
    refused(command)
}

/// What a program says that ends with a failure soon.
fn refused(mut command: Command) -> String {
    let begun = Instant::now();
    let mut limited = Command::new("timeout");
    limited
        .arg(SOON.as_secs().to_string())
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        limited.env(name, value.expect("a value"));
    }
    command = limited;
    let Output { status, stdout, stderr } = command.output().expect("the program runs");
    let text = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
    assert!(
        !status.success() && begun.elapsed() < SOON,
        "{status}, {:?}: {text}",
        begun.elapsed()
    );
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_be_trusted_is_refused_with_what_is_wrong() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let trusted = [("REDIS_CA_FILE", authority.ca_setting())];
    let cases = [
        (
            "of another authority",
            stranger.issue(),
            "signed by none of the authorities",
        ),
        (
            "for another name",
            authority.issue_for("elsewhere.example"),
            "not for this name or address",
        ),
        ("of another time", authority.issue_expired(), "has expired"),
    ];
    for (what, shown, reason) in cases {
        let redis = redis(&authority, &shown).await;
        let told = stock(&redis.url(), &trusted);
        assert!(told.contains(reason), "{what}: {told}");
        assert!(told.contains(&redis.tls_address().to_string()), "{what}: {told}");
        let told = audit(&redis.url(), &["--redis-ca-file", &trusted[0].1]);
        assert!(told.contains(reason), "{what}: {told}");
        // The name of the store that was never written, by whichever connection.
        assert_eq!(redis.run(&["DBSIZE"]).await, "0", "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_asks_for_a_certificate_is_not_waited_for_by_one_that_has_none() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let redis = RedisServer::start_tls(&authority, &authority.issue(), &[]).await;
    let mut settings = vec![("REDIS_CA_FILE", authority.ca_setting())];
    let told = stock(&redis.url(), &settings);
    assert!(told.contains("asks for a client's certificate"), "{told}");
    settings.extend(stranger.issue().settings("REDIS_CERTIFICATE_FILE", "REDIS_KEY_FILE"));
    let told = stock(&redis.url(), &settings);
    assert!(told.contains("does not accept the certificate"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_who_speaks_in_the_clear_passes_for_an_encrypted_server() {
    let authority = Authority::new();
    let redis = RedisServer::start().await;
    let url = format!("rediss://{}", redis.address());
    let told = audit(
        &url,
        &["--redis-ca-file", &authority.ca_setting(), "--redis-timeout-ms", "1000"],
    );
    // It waits for the end of a line, unless it has found one in the greeting by chance.
    assert!(
        told.contains("did not answer") || told.contains("does not speak TLS"),
        "{told}"
    );
    assert_eq!(redis.run(&["DBSIZE"]).await, "0");
}

#[test]
fn files_that_cannot_be_used_are_named_at_the_start() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (issued, ca) = (authority.issue(), authority.ca_setting());
    let path = |file: &std::path::Path| file.display().to_string();
    let url = "rediss://127.0.0.1:1";
    let cases = [
        (vec![("REDIS_CA_FILE", "no-such-file".to_owned())], "no-such-file"),
        (vec![("REDIS_CA_FILE", path(&issued.key))], &*path(&issued.key)),
        (
            vec![
                ("REDIS_CA_FILE", ca.clone()),
                ("REDIS_CERTIFICATE_FILE", path(&issued.certificate)),
                ("REDIS_KEY_FILE", path(&other.issue().key)),
            ],
            "not the key of the certificate",
        ),
        (vec![("REDIS_CERTIFICATE_FILE", ca.clone())], "--redis-key-file"),
        (vec![("TLS_CERTIFICATE_FILE", ca.clone())], "--tls-key-file"),
        (
            vec![
                ("TLS_CERTIFICATE_FILE", ca.clone()),
                ("TLS_KEY_FILE", "no-such-key".into()),
            ],
            "no-such-key",
        ),
    ];
    for (settings, reason) in cases {
        let told = stock(url, &settings);
        assert!(told.contains(reason), "{reason}: {told}");
    }
    let told = stock("redis://127.0.0.1:1", &[("REDIS_CA_FILE", ca)]);
    assert!(told.contains("not encrypted"), "{told}");
}
