//! Where a service listens: at an address, or at that address of this machine's which a name stands for.
//!
//! A container that is in several networks listens in one of them alone if it listens at a name that it has only there.
//! The address behind the name changes when the container leaves the network and comes back; it is followed.

use std::{fmt, io, net::SocketAddr, str::FromStr, time::Duration};

use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use web::names::{FOLLOW_EVERY, LOOK_EVERY, Resolver, look_up};

use super::{BindError, Bound};

/// How long a starting service waits until the name has an address of this machine's.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// An address, or a name and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAt {
    /// This address.
    Address(SocketAddr),
    /// The address of this machine's that the name has.
    Name(Name),
}

/// A name that stands for an address of this machine's, and perhaps for other machines' too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    host: String,
    port: u16,
}

/// The text says neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an address or a name of this machine, and a port: 127.0.0.1:9000, [::1]:9000, stock-internal:9000")]
pub struct BadListenAt;

impl FromStr for ListenAt {
    type Err = BadListenAt;

    fn from_str(text: &str) -> Result<Self, BadListenAt> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        let (host, port) = text.rsplit_once(':').ok_or(BadListenAt)?;
        let is_name = host.starts_with(|first: char| first.is_ascii_alphabetic())
            && host
                .chars()
                .all(|each| each.is_ascii_alphanumeric() || "-._".contains(each));
        let port = port.parse().map_err(|_| BadListenAt)?;
        if !is_name {
            return Err(BadListenAt);
        }
        Ok(Self::Name(Name {
            host: host.into(),
            port,
        }))
    }
}

impl From<SocketAddr> for ListenAt {
    fn from(address: SocketAddr) -> Self {
        Self::Address(address)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.host, self.port)
    }
}

impl Name {
    /// Listens at the name's address, which it may get within `patience`, and follows it from then on.
    pub(super) async fn bind(
        mut self,
        resolver: impl Resolver,
        allow_remote: bool,
        patience: Duration,
    ) -> Result<Bound, BindError> {
        let mut last = None;
        let bound = timeout(patience, async {
            loop {
                match self.bind_now(&resolver, allow_remote).await {
                    Err(NotBound::Never(error)) => return Err(error),
                    Err(NotBound::Yet(cause)) => last = Some(cause),
                    Ok(bound) => return Ok(bound),
                }
                sleep(LOOK_EVERY).await;
            }
        });
        let Ok(bound) = bound.await else {
            let cause = last.unwrap_or_else(|| io::ErrorKind::TimedOut.into());
            return Err(BindError::NotOurs {
                name: self.to_string(),
                cause,
            });
        };
        let (tell, moves) = mpsc::channel(1);
        let mut bound = bound?;
        bound.follow(moves);
        // If any port would have done, it is this one from now on.
        self.port = bound.address().port();
        tokio::spawn(self.follow(resolver, allow_remote, tell));
        Ok(bound)
    }

    /// Tells a new listener each time that the name has got another address of this machine's. What it had is kept for as
    /// long as it has no other: a name that is not found for a while is no reason to stop.
    async fn follow(self, resolver: impl Resolver, allow_remote: bool, tell: mpsc::Sender<Bound>) {
        loop {
            tokio::select! {
                () = sleep(FOLLOW_EVERY) => {}
                () = tell.closed() => return,
            }
            if let Some(bound) = self.elsewhere(&resolver, allow_remote).await {
                tracing::info!(name = %self, address = %bound.address(), "the name has another address; serving there");
                // If nobody serves any more, that ends the next round.
                let _ = tell.send(bound).await;
            }
        }
    }

    /// Listens at an address of the name's that is this machine's, unless this process does so already: an address that it
    /// had may belong to another machine of the same name by now.
    async fn elsewhere(&self, resolver: &impl Resolver, allow_remote: bool) -> Option<Bound> {
        let mut found = None;
        for address in self.addresses(resolver).await.ok()? {
            match Bound::bind(address, allow_remote) {
                Ok(bound) => found = found.or(Some(bound)),
                Err(BindError::Refused { cause, .. }) if cause.kind() == io::ErrorKind::AddrInUse => return None,
                // Another machine's, or not to be had.
                Err(_) => {}
            }
        }
        found
    }

    /// Listens at the first of the name's addresses that is this machine's.
    async fn bind_now(&self, resolver: &impl Resolver, allow_remote: bool) -> Result<Bound, NotBound> {
        let mut cause = io::Error::from(io::ErrorKind::AddrNotAvailable);
        let mut remote = None;
        for address in self.addresses(resolver).await.map_err(NotBound::Yet)? {
            match Bound::bind(address, allow_remote) {
                Ok(bound) => return Ok(bound),
                Err(BindError::Refused { cause: refused, .. }) if refused.kind() == io::ErrorKind::AddrNotAvailable => {
                    cause = refused;
                }
                // It may be another machine's, and the next one ours.
                Err(error @ BindError::Remote(_)) => remote = Some(error),
                Err(error) => return Err(NotBound::Never(error)),
            }
        }
        Err(remote.map_or(NotBound::Yet(cause), NotBound::Never))
    }

    async fn addresses(&self, resolver: &impl Resolver) -> io::Result<Vec<SocketAddr>> {
        look_up(resolver, &self.host, self.port).await
    }
}

/// Why there is no socket.
enum NotBound {
    /// The name may get an address of this machine's.
    Yet(io::Error),
    /// It has one that cannot be had.
    Never(BindError),
}

#[cfg(test)]
mod tests;
