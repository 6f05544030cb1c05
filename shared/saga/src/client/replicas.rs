//! Where a participant's replicas are: by the names that the settings say, and followed as they come and go.

use std::{
    collections::HashMap,
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use futures::future::join_all;
use metrics::gauge;
use reqwest::{ClientBuilder, Url};
use tokio::{sync::watch, time::sleep};
use web::names::{LOOK_EVERY, Resolver, look_up};

/// A participant's replicas: base URLs, separated by commas. Each may name several replicas.
#[derive(Debug, Clone)]
pub struct Replicas(Arc<[Url]>);

/// The text does not name replicas. It is not repeated: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadReplicas {
    /// One of them is no such URL.
    #[error("replicas are http:// or https:// base URLs, separated by commas")]
    NoUrl,
    /// One of them has a user name or a password.
    #[error("a replica's base URL has no user name and no password: nothing would check them")]
    Credentials,
    /// One of them has a query or a fragment.
    #[error("a replica's base URL has no query and no fragment: the calls' paths are put behind it")]
    NoBase,
}

impl Replicas {
    /// Whether any of them is called over TLS.
    #[must_use]
    pub fn are_encrypted(&self) -> bool {
        self.0.iter().any(|base| base.scheme() == "https")
    }
}

impl FromStr for Replicas {
    type Err = BadReplicas;

    fn from_str(text: &str) -> Result<Self, BadReplicas> {
        text.split(',').map(base_url).collect::<Result<_, _>>().map(Self)
    }
}

fn base_url(text: &str) -> Result<Url, BadReplicas> {
    let url = Url::parse(text.trim()).map_err(|_| BadReplicas::NoUrl)?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(BadReplicas::NoUrl);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(BadReplicas::Credentials);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(BadReplicas::NoBase);
    }
    Ok(url)
}

impl fmt::Display for Replicas {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls: Vec<&str> = self.0.iter().map(Url::as_str).collect();
        formatter.write_str(&urls.join(","))
    }
}

/// One replica: an address, and the base URL that it was found under. The URL keeps its name, which a certificate has to be
/// for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Replica {
    address: SocketAddr,
    base: Url,
}

impl Replica {
    fn new(base: &Url, address: SocketAddr) -> Self {
        Self {
            address,
            base: base.clone(),
        }
    }

    /// Where a call's path is, below the base URL's own.
    pub(super) fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url
    }

    /// A client that finds this replica under the base URL's name, and no other.
    pub(super) fn found_by(&self, client: ClientBuilder) -> ClientBuilder {
        match self.base.domain() {
            Some(name) => client.resolve(name, self.address),
            None => client,
        }
    }
}

/// The addresses of a participant's replicas, as they come and go: names are looked up `every` so often, for as long as
/// somebody wants to know.
pub(super) fn follow(
    participant: &'static str,
    replicas: &Replicas,
    resolver: impl Resolver,
    every: Duration,
) -> watch::Receiver<Arc<[Replica]>> {
    let (found, receiver) = watch::channel([].into());
    let mut names = Names::new(replicas);
    names.tell(participant, &found);
    if !names.are_fixed() {
        tokio::spawn(async move {
            loop {
                names.look(&resolver).await;
                names.tell(participant, &found);
                let pause = if names.are_found() {
                    every
                } else {
                    every.min(LOOK_EVERY)
                };
                tokio::select! {
                    () = sleep(pause) => {}
                    () = found.closed() => return,
                }
            }
        });
    }
    receiver
}

/// The base URLs, and the addresses that each was last found at.
struct Names {
    bases: Arc<[Url]>,
    addresses: HashMap<Url, Vec<SocketAddr>>,
}

impl Names {
    /// What needs no look is known.
    fn new(replicas: &Replicas) -> Self {
        let fixed = |base: &Url| Some((base.clone(), vec![SocketAddr::new(ip(base)?, port(base))]));
        Self {
            bases: replicas.0.clone(),
            addresses: replicas.0.iter().filter_map(fixed).collect(),
        }
    }

    fn are_fixed(&self) -> bool {
        self.bases.iter().all(|base| ip(base).is_some())
    }

    fn are_found(&self) -> bool {
        self.bases.iter().all(|base| self.addresses.contains_key(base))
    }

    /// Looks every name up. One that is not found, for the moment, keeps the addresses that it had.
    async fn look(&mut self, resolver: &impl Resolver) {
        let named = self.bases.iter().filter_map(|base| Some((base, base.domain()?)));
        let looks = join_all(named.map(async |(base, name)| {
            match look_up(resolver, name, port(base)).await {
                Ok(addresses) => Some((base.clone(), addresses)),
                Err(cause) => {
                    tracing::warn!(name, %cause, "a participant's name is not found; it keeps the addresses that it had");
                    None
                }
            }
        }));
        self.addresses.extend(looks.await.into_iter().flatten());
    }

    /// Tells the addresses if they have changed. Their order tells nothing, and name servers change it.
    fn tell(&self, participant: &'static str, found: &watch::Sender<Arc<[Replica]>>) {
        let of_base = |base: &Url| {
            let addresses = self.addresses.get(base).into_iter().flatten();
            addresses
                .map(|address| Replica::new(base, *address))
                .collect::<Vec<_>>()
        };
        let mut replicas: Vec<Replica> = self.bases.iter().flat_map(of_base).collect();
        replicas.sort();
        replicas.dedup();
        found.send_if_modified(|known| {
            if **known == *replicas {
                return false;
            }
            #[expect(clippy::cast_precision_loss, reason = "replicas are few")]
            gauge!("holdfast_replicas", "participant" => participant).set(replicas.len() as f64);
            let addresses: Vec<SocketAddr> = replicas.iter().map(|replica| replica.address).collect();
            tracing::info!(participant, ?addresses, "these are its replicas");
            *known = replicas.into();
            true
        });
    }
}

/// The address, if the URL says one instead of a name.
fn ip(base: &Url) -> Option<IpAddr> {
    base.host_str()?.trim_matches(['[', ']']).parse().ok()
}

fn port(base: &Url) -> u16 {
    base.port_or_known_default().unwrap_or(80)
}

#[cfg(test)]
pub(super) mod tests;
