//! Secrets come from files or the environment, and nobody else sees them.

use std::{fs, process::Command};

use amqp::AmqpUrl;
use harness::{Deployment, RedisServer, Setup, binary, eventually, unused_address};
use tempfile::TempDir;

const SECRET: &str = "s3cret";

/// What a program says that ends by itself, which it does with a failure.
fn refused(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let output = Command::new("timeout")
        .arg("10")
        .arg(binary(program))
        .args(arguments)
        .envs(environment.iter().copied())
        .output()
        .expect("the program runs");
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(2), "{program} {arguments:?}: {text}");
    text
}

#[test]
fn a_password_on_the_command_line_is_refused_and_not_repeated() {
    let url = format!("redis://:{SECRET}@127.0.0.1:1");
    let amqp = format!("amqp://shop:{SECRET}@127.0.0.1:1");
    let audit = [
        "audit",
        "--order-redis",
        "redis://a",
        "--stock-redis",
        "redis://a",
        "--payment-redis",
        &url,
    ];
    for (program, arguments) in [
        ("stock", &["--redis-url", &url][..]),
        ("payment", &["--bus-url", &url]),
        ("order", &["--amqp-url", &amqp]),
        ("standalone", &["--amqp-url", &amqp]),
        ("holdfast", &audit),
        ("holdfast", &["events", "groups", "--bus-redis", &url]),
    ] {
        let told = refused(program, arguments, &[]);
        assert!(
            told.contains("password-file") && !told.contains(SECRET),
            "{program}: {told}"
        );
    }
}

#[test]
fn a_url_that_cannot_be_read_is_not_repeated() {
    for (program, name, value) in [
        ("order", "AMQP_URL", format!("amqp://shop:{SECRET}@host:no-port")),
        ("order", "STOCK_URLS", format!("http://shop:{SECRET}@host")),
        ("standalone", "AMQP_URL", format!("amqps://shop:{SECRET}@host")),
    ] {
        let told = refused(program, &[], &[(name, &value)]);
        assert!(!told.contains(SECRET), "{program}: {told}");
    }
    assert!("amqps://host".parse::<AmqpUrl>().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_come_from_files_and_are_seen_nowhere_else() {
    const OTHER: &str = "an0ther";
    let folder = TempDir::new().expect("a folder");
    let file = |name: &str, secret: &str| {
        let path = folder.path().join(name);
        fs::write(&path, format!("{secret}\n")).expect("a file");
        path.display().to_string()
    };
    let (password, bus_password) = (file("password", SECRET), file("bus-password", OTHER));
    let server = |secret| RedisServer::start_with(secret);
    let (with, other) = (["--requirepass", SECRET], ["--requirepass", OTHER]);
    let (stock, payment, order, bus) = tokio::join!(server(&with), server(&with), server(&with), server(&other));
    let mut setup = Setup::default();
    setup.settings.push(("REDIS_PASSWORD_FILE", password));
    setup.settings.push(("BUS_PASSWORD_FILE", bus_password));
    setup.settings.push(("BUS_URL", bus.url()));
    setup.settings.push(("RUST_LOG", "debug".into()));
    let deployment = Deployment::start_on(setup, stock, payment, order).await;
    let client = &deployment.client;
    let order = client.payable_orders(1).await.remove(0);
    assert_eq!(client.checkout_decided(&order).await.status, 200);
    eventually("the events are on the bus", async || {
        let topics = bus.run_as(OTHER, &["HLEN", "topics"]).await;
        (topics == "3").then_some(())
    })
    .await;
    for service in deployment.services() {
        let arguments = fs::read_to_string(format!("/proc/{}/cmdline", service.pid())).expect("a running program");
        for secret in [SECRET, OTHER] {
            assert!(!arguments.contains(secret), "{}", service.name());
            assert!(!service.logs().contains(secret), "{}", service.name());
        }
    }
}

#[test]
fn a_file_without_a_secret_is_named() {
    let folder = TempDir::new().expect("a folder");
    let empty = folder.path().join("empty");
    fs::write(&empty, "\n").expect("a file");
    let empty = empty.display().to_string();
    for (name, more) in [
        ("REDIS_PASSWORD_FILE", None),
        ("BUS_PASSWORD_FILE", Some(("BUS_URL", "redis://127.0.0.1:1"))),
        ("AMQP_PASSWORD_FILE", Some(("AMQP_URL", "amqp://127.0.0.1:1"))),
    ] {
        let output = Command::new("timeout")
            .arg("10")
            .arg(binary("stock"))
            .env("LISTEN", unused_address().to_string())
            .env("BUS_URL", "redis://127.0.0.1:1")
            .env("REDIS_URL", "redis://127.0.0.1:1")
            .env(name, &empty)
            .envs(more)
            .output()
            .expect("the program runs");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{name}: {told}");
        assert!(told.contains(&empty), "{name}: {told}");
    }
}
