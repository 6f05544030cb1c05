//! Finds the server that owns a lane's keys, connects and authenticates.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use deadpool::managed::{self, Metrics, RecycleResult};
use domain::Timestamp;
use fred::types::config::{Config, Server, ServerConfig, TlsConnector};

use super::connection::{Connection, ConnectionError, Reply, error};

/// A lane's connections: one at a time.
pub(crate) type LanePool = managed::Pool<LaneServer>;

/// The server that holds a lane's keys.
pub(crate) struct LaneServer {
    config: Config,
    /// The cluster slot of the lane's keys, which counts on a cluster alone.
    slot: u16,
    timeout: Duration,
    /// Where the next connection goes, because a server has said so.
    redirect: Mutex<Option<Redirect>>,
}

/// Where a server says that the keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Redirect {
    server: Server,
    /// That server is only taking the keys over, and wants to hear ASKING.
    is_asking: bool,
}

impl Redirect {
    /// Of MOVED and ASK: `<code> <slot> <host>:<port>`.
    ///
    /// Source: <https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#redirection-and-resharding>
    pub(crate) fn parse(cause: &str) -> Option<Self> {
        let mut words = cause.split_whitespace();
        let is_asking = match words.next()? {
            "ASK" => true,
            "MOVED" => false,
            _ => return None,
        };
        let (host, port) = words.nth(1)?.rsplit_once(':')?;
        // A server without a name is the one that was asked, which can only mean that it does not know better.
        let server = (!host.is_empty()).then(|| port.parse().ok().map(|port| Server::new(host, port)))??;
        Some(Self { server, is_asking })
    }
}

/// There is no connection to be had now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The server does not let us in: another password, or commands that it does not allow.
    #[error("Redis refuses the connection: {0}")]
    Refused(String),
    #[error("no server is known for the keys: {0}")]
    Nowhere(String),
}

impl LaneServer {
    pub(super) fn new(config: Config, slot: u16, timeout: Duration) -> Self {
        Self {
            config,
            slot,
            timeout,
            redirect: Mutex::default(),
        }
    }

    /// Lets the next connection, and no later one, go where a server has said that the keys are.
    pub(crate) fn redirect(&self, redirect: Redirect) {
        *self.redirect.lock().unwrap_or_else(PoisonError::into_inner) = Some(redirect);
    }

    fn take_redirect(&self) -> Option<Redirect> {
        self.redirect.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) async fn connect(&self) -> Result<Connection, ConnectError> {
        if let Some(Redirect { server, is_asking }) = self.take_redirect() {
            let mut connection = self.greet(self.reach(&server).await?).await?;
            if is_asking {
                connection.say_asking();
            }
            return Ok(connection);
        }
        match &self.config.server {
            ServerConfig::Unix { path } => self.greet(Connection::over_unix(path, self.timeout).await?).await,
            ServerConfig::Centralized { server } => self.greet(self.reach(server).await?).await,
            ServerConfig::Clustered { hosts, .. } => {
                let server = first(hosts, |host| self.owner_in_cluster(host)).await?;
                self.greet(self.reach(&server).await?).await
            }
            ServerConfig::Sentinel {
                hosts, service_name, ..
            } => {
                let server = first(hosts, |host| self.master_by_sentinel(host, service_name)).await?;
                let mut connection = self.greet(self.reach(&server).await?).await?;
                ensure_master(&mut connection).await?;
                Ok(connection)
            }
        }
    }

    /// Over TCP, or over TLS if the URL says so.
    async fn reach(&self, server: &Server) -> Result<Connection, ConnectionError> {
        match self.config.tls.as_ref().map(|tls| &tls.connector) {
            Some(TlsConnector::Rustls(connector)) => Connection::over_tls(server, connector, self.timeout).await,
            None => Connection::over_tcp(server, self.timeout).await,
        }
    }

    /// Says who we are, and sees that transactions are allowed: were MULTI refused later, what follows it would be
    /// done at once, each command on its own.
    async fn greet(&self, mut connection: Connection) -> Result<Connection, ConnectError> {
        if let Some(password) = &self.config.password {
            let user = self.config.username.iter().map(String::as_bytes);
            connection.queue("AUTH", user.chain([password.as_bytes()]));
        }
        let database = self.config.database.unwrap_or_default().to_string();
        connection.queue("SELECT", [database.as_bytes()]);
        connection.queue("MULTI", []);
        connection.queue("EXEC", []);
        match connection.exchange().await?.iter().find_map(error) {
            Some(refusal) => Err(ConnectError::Refused(refusal.to_owned())),
            None => Ok(connection),
        }
    }

    /// Source: <https://redis.io/docs/latest/commands/cluster-slots/>
    async fn owner_in_cluster(&self, host: &Server) -> Result<Server, ConnectError> {
        let mut connection = self.greet(self.reach(host).await?).await?;
        connection.queue("CLUSTER", [&b"SLOTS"[..]]);
        let replies = connection.exchange().await?;
        let Some(Reply::Array(ranges)) = replies.first() else {
            return Err(nowhere(host, "tells no slots"));
        };
        ranges
            .iter()
            .find_map(|range| owner(range, self.slot, host))
            .ok_or_else(|| nowhere(host, "knows nobody for the slot"))
    }

    /// Source: <https://redis.io/docs/latest/develop/reference/sentinel-clients/>
    async fn master_by_sentinel(&self, host: &Server, service: &str) -> Result<Server, ConnectError> {
        let mut connection = self.reach(host).await?;
        connection.queue("SENTINEL", [&b"get-master-addr-by-name"[..], service.as_bytes()]);
        let replies = connection.exchange().await?;
        let Some(Reply::Array(address)) = replies.first() else {
            return Err(nowhere(host, "knows no master of that name"));
        };
        match (address.first().and_then(text), address.get(1).and_then(text)) {
            (Some(name), Some(port)) => match port.parse() {
                Ok(port) => Ok(Server::new(name, port)),
                Err(_) => Err(nowhere(host, "tells a strange port")),
            },
            _ => Err(nowhere(host, "tells no address")),
        }
    }
}

impl managed::Manager for LaneServer {
    type Type = Connection;
    type Error = ConnectError;

    async fn create(&self) -> Result<Connection, ConnectError> {
        self.connect().await
    }

    async fn recycle(&self, _: &mut Connection, _: &Metrics) -> RecycleResult<ConnectError> {
        Ok(())
    }
}

/// Asks each host in turn. Returns the first success, or the last error.
async fn first<'a, F>(hosts: &'a [Server], ask: impl Fn(&'a Server) -> F) -> Result<Server, ConnectError>
where
    F: Future<Output = Result<Server, ConnectError>>,
{
    let mut last = ConnectError::Nowhere("the URL names no host".into());
    for host in hosts {
        match ask(host).await {
            Ok(server) => return Ok(server),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The owner of a slot, if this part of CLUSTER SLOTS is about it: `[from, to, [host, port, ...], replicas...]`. A
/// host that is not said is the one that was asked.
fn owner(range: &Reply, slot: u16, asked: &Server) -> Option<Server> {
    let Reply::Array(range) = range else { return None };
    let [Reply::Integer(from), Reply::Integer(to), Reply::Array(owner), ..] = range.as_slice() else {
        return None;
    };
    if !(*from..=*to).contains(&i64::from(slot)) {
        return None;
    }
    let host = owner.first().and_then(text).filter(|host| !host.is_empty());
    match owner.get(1)? {
        Reply::Integer(port) => Some(Server::new(host.unwrap_or(&asked.host), u16::try_from(*port).ok()?)),
        _ => None,
    }
}

/// The sentinel's view may be stale, so ask the server for its ROLE.
async fn ensure_master(connection: &mut Connection) -> Result<(), ConnectError> {
    connection.queue("ROLE", []);
    match connection.exchange().await?.first() {
        Some(Reply::Array(role)) if role.first().and_then(text) == Some("master") => Ok(()),
        _ => Err(ConnectError::Nowhere("the sentinel's master is none".into())),
    }
}

fn nowhere(host: &Server, cause: &str) -> ConnectError {
    ConnectError::Nowhere(format!("{}:{} {cause}", host.host, host.port))
}

/// What TIME answers: seconds and microseconds since the epoch.
pub fn time(reply: &Reply) -> Option<Timestamp> {
    let Reply::Array(parts) = reply else { return None };
    let [seconds, microseconds] = parts.as_slice() else {
        return None;
    };
    Timestamp::from_redis(text(seconds)?, text(microseconds)?)
}

fn text(reply: &Reply) -> Option<&str> {
    match reply {
        Reply::SimpleString(text) | Reply::BulkString(text) => std::str::from_utf8(text).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &'static str) -> Reply {
        Reply::BulkString(text.into())
    }

    #[test]
    fn a_server_that_does_not_have_the_keys_says_who_does() {
        let to = |port, is_asking| {
            let server = Server::new("10.0.0.1", port);
            Some(Redirect { server, is_asking })
        };
        assert_eq!(Redirect::parse("MOVED 3999 10.0.0.1:6381"), to(6_381, false));
        assert_eq!(Redirect::parse("ASK 3999 10.0.0.1:6382"), to(6_382, true));
        let v6 = Redirect::parse("MOVED 3999 ::1:6381").map(|redirect| redirect.server);
        assert_eq!(v6, Some(Server::new("::1", 6_381)));
        for other in [
            "MOVED 3999 :6381",
            "MOVED 3999",
            "TRYAGAIN Multiple keys",
            "ASK 1 a:b",
            "",
        ] {
            assert_eq!(Redirect::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_slot_belongs_to_the_first_server_of_its_range() {
        let asked = Server::new("seed", 7_000);
        let node = |host, port| Reply::Array(vec![bulk(host), Reply::Integer(port), bulk("id")]);
        let range = Reply::Array(vec![
            Reply::Integer(100),
            Reply::Integer(200),
            node("a", 7_001),
            node("replica", 7_002),
        ]);
        for inside in [100, 150, 200] {
            assert_eq!(owner(&range, inside, &asked), Some(Server::new("a", 7_001)));
        }
        assert_eq!(owner(&range, 99, &asked), None);
        assert_eq!(owner(&range, 201, &asked), None);
        let unsaid = Reply::Array(vec![Reply::Integer(0), Reply::Integer(9), node("", 7_003)]);
        assert_eq!(owner(&unsaid, 5, &asked), Some(Server::new("seed", 7_003)));
    }
}
