//! The services' own listeners over TLS, and the calls between services.

use std::{
    net::SocketAddr,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::join_all;
use harness::{
    Authority, Deployment, Issued, Setup, Standalone, binary, eventually,
    tls::{http, http_trusting_only, trust},
    unused_address,
};
use http_body_util::Empty;
use hyper::{
    Request, Version,
    body::Bytes,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tempfile::TempDir;
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig,
        pki_types::ServerName,
        version::{TLS12, TLS13},
    },
};

const PUBLIC: [&str; 2] = ["TLS_CERTIFICATE_FILE", "TLS_KEY_FILE"];
const INTERNAL: [&str; 2] = ["INTERNAL_TLS_CERTIFICATE_FILE", "INTERNAL_TLS_KEY_FILE"];

/// Services whose public and internal calls are served with this certificate.
fn setup(authority: &Authority, shown: &Issued) -> Setup {
    let mut setup = Setup::default();
    for [certificate, key] in [PUBLIC, INTERNAL] {
        setup.settings.extend(shown.settings(certificate, key));
    }
    setup
        .order_settings
        .push(("PARTICIPANTS_CA_FILE", authority.ca_setting()));
    setup
}

/// A standalone that serves over TLS, by a command that may run it again.
async fn standalone(shown: &Issued) -> Standalone {
    let address = unused_address();
    let data = TempDir::new().expect("a folder for the data");
    let mut command = Standalone::command(address, data.path());
    command.envs(shown.settings(PUBLIC[0], PUBLIC[1]));
    Standalone::run_over_tls(address, data, &mut command).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkout_goes_through_over_tls_from_the_client_to_the_participants() {
    let authority = Authority::new();
    let shown = authority.issue();
    let deployment = Deployment::start(setup(&authority, &shown)).await;
    let client = &deployment.client;
    let order = client.payable_orders(1).await.remove(0);
    assert_eq!(client.checkout(&order).await.status, 200);
    for service in deployment.services() {
        assert!(service.origin().starts_with("https://"));
        let health = Command::new(binary(service.name()))
            .arg("--check-health")
            .env("LISTEN", service.public.to_string())
            .envs(shown.settings(PUBLIC[0], PUBLIC[1]))
            .output()
            .expect("the program runs");
        assert!(health.status.success(), "{}: {health:?}", service.name());
        let other = authority.issue();
        let impostor = Command::new(binary(service.name()))
            .arg("--check-health")
            .env("LISTEN", service.public.to_string())
            .envs(other.settings(PUBLIC[0], PUBLIC[1]))
            .output()
            .expect("the program runs");
        assert!(!impostor.status.success(), "{}: another certificate", service.name());
        let plain = http().build().expect("an HTTP client");
        let plain = plain
            .get(format!("http://{}/health/ready", service.public))
            .send()
            .await;
        assert!(plain.is_err(), "{}: nothing is served in the clear", service.name());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_participant_that_cannot_be_trusted_gets_no_call() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    for shown in [
        stranger.issue(),
        authority.issue_for("elsewhere.example"),
        authority.issue_expired(),
    ] {
        let mut setup = Setup::default();
        setup.settings.extend(shown.settings(INTERNAL[0], INTERNAL[1]));
        setup.settings.push(("CLIENT_PATIENCE_MS", "500".into()));
        setup
            .order_settings
            .push(("PARTICIPANTS_CA_FILE", authority.ca_setting()));
        let deployment = Deployment::start(setup).await;
        let client = &deployment.client;
        let (user, item) = (client.user(1).await, client.item(1, 1).await);
        // An order asks stock for the item's price.
        let order = client.order(&user, &[]).await;
        let answer = client.post(&format!("/orders/addItem/{order}/{item}/1")).await;
        assert_eq!(answer.status, 503, "{answer:?}");
        assert_eq!(client.stock(&item).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_has_http_2_or_http_1_1_as_it_prefers_over_tls_1_2_and_1_3() {
    let authority = Authority::new();
    let standalone = standalone(&authority.issue()).await;
    for version in [&TLS12, &TLS13] {
        for (protocols, served) in [
            (&["h2", "http/1.1"][..], Version::HTTP_2),
            (&["http/1.1"], Version::HTTP_11),
            (&[], Version::HTTP_11),
        ] {
            let mut tls = trust(&[version]);
            tls.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
            let answer = live(standalone.address, tls).await;
            assert_eq!(answer, (served, 200), "{version:?} {protocols:?}");
        }
    }
}

/// Asks over one connection, by the protocol that was agreed on. Returns the answer's version and status.
async fn live(address: SocketAddr, tls: ClientConfig) -> (Version, u16) {
    let stream = TcpStream::connect(address).await.expect("a connection");
    let name = ServerName::from(address.ip());
    let stream = TlsConnector::from(Arc::new(tls)).connect(name, stream).await;
    let stream = stream.expect("a handshake");
    let is_second = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let stream = TokioIo::new(stream);
    let uri = format!("https://{address}/health/live");
    let request = Request::get(&uri)
        .header("Host", address.to_string())
        .body(Empty::<Bytes>::new());
    let request = request.expect("a request");
    let answer = if is_second {
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.expect("HTTP/2");
        tokio::spawn(connection);
        sender.send_request(request).await
    } else {
        let (mut sender, connection) = http1::handshake(stream).await.expect("HTTP/1.1");
        tokio::spawn(connection);
        sender.send_request(request).await
    };
    let answer = answer.expect("an answer");
    (answer.version(), answer.status().as_u16())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_replaced_under_load_and_no_request_is_lost() {
    const CALLERS: usize = 8;
    let (authority, next) = (Authority::new(), Authority::new());
    let shown = authority.issue();
    let standalone = standalone(&shown).await;
    let url = &format!("https://{}/health/live", standalone.address);
    let (is_over, calls) = (AtomicBool::new(false), AtomicUsize::new(0));
    // One of both kinds: over a connection that is kept, and over one that is opened for each call.
    let caller = async |number: usize| {
        let kept = http().build().expect("an HTTP client");
        while !is_over.load(Ordering::Relaxed) {
            let fresh = (number % 2 == 1).then(|| http().build().expect("an HTTP client"));
            let client = fresh.as_ref().unwrap_or(&kept);
            let answer = client.get(url).send().await.expect("no call is lost");
            assert_eq!(answer.status(), 200);
            calls.fetch_add(1, Ordering::Relaxed);
        }
    };
    let replace = async {
        shown.replace_with(&next.issue());
        // Whoever trusts the next authority alone is served.
        eventually("the new certificate is served", async || {
            let client = http_trusting_only(&next).build().expect("an HTTP client");
            client.get(url).send().await.ok()
        })
        .await;
        let seen = calls.load(Ordering::Relaxed);
        eventually("every caller goes on", async || {
            (calls.load(Ordering::Relaxed) > seen + 10 * CALLERS).then_some(())
        })
        .await;
        is_over.store(true, Ordering::Relaxed);
    };
    tokio::join!(join_all((0..CALLERS).map(caller)), replace);
    let old = http_trusting_only(&authority).build().expect("an HTTP client");
    assert!(
        old.get(url).send().await.is_err(),
        "the old certificate is not served any more"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_whose_key_is_missing_changes_nothing_until_it_comes() {
    let authority = Authority::new();
    let shown = authority.issue();
    let standalone = standalone(&shown).await;
    let url = format!("https://{}/health/live", standalone.address);
    let next = Authority::new();
    let issued = next.issue();
    std::fs::copy(&issued.certificate, &shown.certificate).expect("a copy");
    eventually("the pair is looked at", async || {
        standalone.process.log().contains("cannot be used").then_some(())
    })
    .await;
    let ask = async |authority: &Authority| {
        let client = http_trusting_only(authority).build().expect("an HTTP client");
        client.get(&url).send().await
    };
    assert!(ask(&authority).await.is_ok(), "the one before is served");
    std::fs::copy(&issued.key, &shown.key).expect("a copy");
    eventually("the pair fits", async || ask(&next).await.ok()).await;
    assert!(!standalone.process.log().contains("PRIVATE"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_connects_and_says_nothing_is_sent_away_and_holds_nobody_up() {
    const SILENT: usize = 200;
    /// How long a handshake may take, and what the machine may add.
    const SENT_AWAY_WITHIN: Duration = Duration::from_secs(10 + 5);
    let authority = Authority::new();
    let standalone = standalone(&authority.issue()).await;
    let address: SocketAddr = standalone.address;
    let begun = Instant::now();
    let mut silent = Vec::new();
    for _ in 0..SILENT {
        silent.push(TcpStream::connect(address).await.expect("a connection"));
    }
    let client = http().timeout(Duration::from_secs(5)).build().expect("an HTTP client");
    let answer = client.get(format!("https://{address}/health/live")).send().await;
    assert_eq!(answer.expect("others are served").status(), 200);
    for mut stream in silent {
        let left = SENT_AWAY_WITHIN.saturating_sub(begun.elapsed());
        let ended = timeout(left, stream.read(&mut [0]))
            .await
            .expect("it is closed in time");
        assert_eq!(ended.unwrap_or_default(), 0);
    }
}
