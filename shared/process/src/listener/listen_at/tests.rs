use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use credentials::tls::trusting_nobody;
use poem::{Endpoint, EndpointExt, endpoint::make_sync};
use reqwest::Client;
use tokio_util::sync::CancellationToken;
use web::AllowedOrigins;

use super::*;

/// An address that no machine has (RFC 5737).
const ANOTHERS: [u8; 4] = [203, 0, 113, 1];

/// A name server of one name.
#[derive(Clone, Default)]
struct NameServer(Arc<Mutex<Vec<IpAddr>>>);

impl NameServer {
    fn say(&self, addresses: &[[u8; 4]]) {
        let addresses = addresses.iter().map(|&address| address.into()).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = addresses;
    }
}

impl Resolver for NameServer {
    async fn resolve(&self, _name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let said = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(said.into_iter().map(|address| SocketAddr::new(address, port)).collect())
    }
}

fn name(port: u16) -> Name {
    match format!("stock-internal:{port}").parse() {
        Ok(ListenAt::Name(name)) => name,
        other => unreachable!("{other:?}"),
    }
}

fn routes() -> impl Endpoint<Output = poem::Response> + 'static {
    make_sync(|_| "served").map_to_response()
}

async fn is_served(at: SocketAddr) -> bool {
    let client = Client::builder()
        .no_proxy()
        .tls_backend_preconfigured(trusting_nobody())
        .build()
        .expect("a client");
    client.get(format!("http://{at}/")).send().await.is_ok()
}

#[test]
fn what_is_neither_an_address_nor_a_name_with_a_port_is_refused() {
    let address = SocketAddr::from(([127, 0, 0, 1], 9000));
    assert_eq!("127.0.0.1:9000".parse(), Ok(ListenAt::Address(address)));
    assert!(matches!("stock-internal:9000".parse(), Ok(ListenAt::Name(_))));
    for text in [
        "",
        "9000",
        ":9000",
        "stock",
        "stock:",
        "stock:70000",
        "127.0.0:9000",
        "10.0.0.0/8:9000",
        "a b:1",
    ] {
        assert_eq!(text.parse::<ListenAt>(), Err(BadListenAt), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_names_addresses_the_one_that_is_ours_is_served_and_followed() {
    let said = NameServer::default();
    said.say(&[ANOTHERS, [127, 0, 0, 2]]);
    let bound = name(0)
        .bind(said.clone(), false, PATIENCE)
        .await
        .expect("an address of ours");
    let first = bound.address();
    assert_eq!(first.ip(), IpAddr::from([127, 0, 0, 2]));
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    tokio::spawn(bound.serve(routes(), AllowedOrigins::programs_only(), stop));
    assert!(is_served(first).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_gets_another_address_is_served_there_and_no_longer_where_it_was() {
    let said = NameServer::default();
    said.say(&[[127, 0, 0, 2]]);
    // A port that is free at every address: the listener that is tried and dropped tells one.
    let port = Bound::bind(SocketAddr::from(([127, 0, 0, 3], 0)), false)
        .expect("an address of ours")
        .address()
        .port();
    let bound = name(port)
        .bind(said.clone(), false, PATIENCE)
        .await
        .expect("an address of ours");
    let first = bound.address();
    let second = SocketAddr::from(([127, 0, 0, 3], port));
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    tokio::spawn(bound.serve(routes(), AllowedOrigins::programs_only(), stop));
    assert!(is_served(first).await && !is_served(second).await);

    // Another machine alone has the name for a while: what was, stays.
    said.say(&[ANOTHERS]);
    sleep(FOLLOW_EVERY * 2).await;
    assert!(is_served(first).await);

    said.say(&[[127, 0, 0, 3]]);
    let moved = timeout(FOLLOW_EVERY * 5, async {
        while !is_served(second).await {
            sleep(LOOK_EVERY).await;
        }
    });
    assert!(moved.await.is_ok(), "it does not follow its name");
    assert!(!is_served(first).await, "it is still served where it was");
}

#[tokio::test]
async fn a_name_that_stays_another_machines_is_refused_in_words() {
    let said = NameServer::default();
    said.say(&[ANOTHERS]);
    let refused = name(9000)
        .bind(said, true, LOOK_EVERY * 2)
        .await
        .err()
        .expect("a refusal");
    let text = refused.to_string();
    assert!(
        text.contains("stock-internal:9000") && text.contains("no address of this machine"),
        "{text}"
    );
}
