use std::{
    io,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::*;

/// A name server that says what the test says.
#[derive(Clone, Default)]
pub(in crate::client) struct NameServer {
    addresses: Arc<Mutex<HashMap<String, Vec<SocketAddr>>>>,
    looks: Arc<AtomicUsize>,
}

impl NameServer {
    pub(in crate::client) fn say(&self, name: &str, addresses: &[&str], port: u16) {
        let addresses = addresses
            .iter()
            .map(|ip| SocketAddr::new(ip.parse().expect("an address"), port))
            .collect();
        let mut said = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        said.insert(name.into(), addresses);
    }

    pub(in crate::client) fn forget(&self, name: &str) {
        self.addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name);
    }

    /// How often somebody has looked.
    pub(in crate::client) fn looks(&self) -> usize {
        self.looks.load(Ordering::SeqCst)
    }
}

impl Resolver for NameServer {
    async fn resolve(&self, name: &str, _port: u16) -> io::Result<Vec<SocketAddr>> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        let said = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        said.get(name)
            .cloned()
            .ok_or_else(|| io::Error::other("temporary failure in name resolution"))
    }
}

fn replicas(text: &str) -> Replicas {
    text.parse().expect("base URLs")
}

/// What is found for these base URLs now: the address and the URL of a call.
fn told(names: &Names) -> Vec<String> {
    let (found, receiver) = watch::channel([].into());
    names.tell("stock", &found);
    receiver
        .borrow()
        .iter()
        .map(|replica| format!("{} {}", replica.address, replica.url("/call")))
        .collect()
}

#[tokio::test]
async fn a_name_stands_for_all_its_addresses_and_keeps_them_while_it_is_not_found() {
    let said = NameServer::default();
    let mut names = Names::new(&replicas("http://stock:9000,http://127.0.0.9:1/"));
    names.look(&said).await;
    assert!(!names.are_found() && !names.are_fixed());
    assert_eq!(told(&names), ["127.0.0.9:1 http://127.0.0.9:1/call"]);

    said.say("stock", &["127.0.0.2", "127.0.0.1"], 9_000);
    names.look(&said).await;
    let both = [
        "127.0.0.1:9000 http://stock:9000/call",
        "127.0.0.2:9000 http://stock:9000/call",
        "127.0.0.9:1 http://127.0.0.9:1/call",
    ];
    assert!(names.are_found());
    assert_eq!(told(&names), both);

    said.forget("stock");
    names.look(&said).await;
    assert_eq!(told(&names), both);
    said.say("stock", &[], 9_000);
    names.look(&said).await;
    assert_eq!(told(&names), both);

    said.say("stock", &["127.0.0.3"], 9_000);
    names.look(&said).await;
    assert_eq!(
        told(&names),
        [
            "127.0.0.3:9000 http://stock:9000/call",
            "127.0.0.9:1 http://127.0.0.9:1/call"
        ]
    );
}

#[tokio::test]
async fn an_order_that_a_name_server_changes_is_no_change() {
    let said = NameServer::default();
    let mut names = Names::new(&replicas("http://stock:9000"));
    let (found, mut receiver) = watch::channel([].into());
    for addresses in [["127.0.0.1", "127.0.0.2"], ["127.0.0.2", "127.0.0.1"]] {
        said.say("stock", &addresses, 9_000);
        names.look(&said).await;
        names.tell("stock", &found);
    }
    assert_eq!(receiver.borrow_and_update().len(), 2);
    said.say("stock", &["127.0.0.2", "127.0.0.1", "127.0.0.2"], 9_000);
    names.look(&said).await;
    names.tell("stock", &found);
    assert!(receiver.has_changed().is_ok_and(|changed| !changed));
}

#[test]
fn a_base_urls_path_is_kept() {
    let address = SocketAddr::new([127, 0, 0, 1].into(), 80);
    for (base, url) in [
        ("http://stock:9000", "http://stock:9000/internal/reserve"),
        ("https://stock:9000/", "https://stock:9000/internal/reserve"),
        ("http://stock/shop/a", "http://stock/shop/a/internal/reserve"),
        ("http://stock/shop/a%20b//", "http://stock/shop/a%20b/internal/reserve"),
    ] {
        let base = replicas(base);
        let replica = Replica::new(&base.0[0], address);
        assert_eq!(replica.url("/internal/reserve").as_str(), url);
    }
    let six = replicas("http://[::1]:9000/x");
    assert_eq!(ip(&six.0[0]), Some(std::net::Ipv6Addr::LOCALHOST.into()));
    assert_eq!(told(&Names::new(&six)), ["[::1]:9000 http://[::1]:9000/x/call"]);
}

#[test]
fn a_url_that_could_not_be_kept_whole_is_refused_and_not_repeated() {
    for (text, refusal) in [
        ("", BadReplicas::NoUrl),
        ("stock:9000", BadReplicas::NoUrl),
        ("ftp://stock", BadReplicas::NoUrl),
        ("http://stock,", BadReplicas::NoUrl),
        ("http://stock,http://me:secret@stock", BadReplicas::Credentials),
        ("http://me@stock", BadReplicas::Credentials),
        ("http://stock?a=b", BadReplicas::NoBase),
        ("http://stock/?", BadReplicas::NoBase),
        ("http://stock/#a", BadReplicas::NoBase),
    ] {
        let parsed: Result<Replicas, _> = text.parse();
        assert_eq!(parsed.map(|_| ()), Err(refusal), "{text}");
        assert!(!refusal.to_string().contains("secret"));
    }
}
