use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    process::Command,
};

use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::{Process, eventually, unused_address};

/// Where Debian's package has the script that starts a node as whoever calls it. `rabbitmq-server` on the PATH asks for
/// the package's own user.
const PROGRAM: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// A RabbitMQ node with a folder, ports and an epmd of its own, whose durable queues outlive its crashes.
pub struct RabbitMq {
    at: SocketAddr,
    /// Where Erlang's nodes of this machine find each other, and where this one is found: not at the usual ports.
    epmd_port: u16,
    dist_port: u16,
    data: TempDir,
    node: Process,
    /// Ends with the value, after the node.
    _epmd: Process,
}

impl RabbitMq {
    /// Starts an empty one, and does not wait.
    ///
    /// # Panics
    /// If rabbitmq-server is not there.
    #[must_use]
    pub fn spawn() -> Self {
        let data = TempDir::new().expect("a folder for the data");
        let (at, epmd_port, dist_port) = (unused_address(), free_port(), free_port());
        let mut epmd = Command::new("epmd");
        epmd.args(["-port", &epmd_port.to_string(), "-address", "127.0.0.1"]);
        Self {
            _epmd: Process::spawn("epmd", &mut epmd),
            node: start(at, (epmd_port, dist_port), &data),
            at,
            epmd_port,
            dist_port,
            data,
        }
    }

    /// Starts an empty one and waits until it takes connections.
    pub async fn start() -> Self {
        let mut broker = Self::spawn();
        broker.ready().await;
        broker
    }

    /// Ends it at once, as kill -9 does.
    pub fn kill(&mut self) {
        self.node.kill();
    }

    /// Starts it again on its data, and waits until it takes connections.
    pub async fn start_again(&mut self) {
        self.node = start(self.at, (self.epmd_port, self.dist_port), &self.data);
        self.ready().await;
    }

    /// Where it listens, with the rights of its first user.
    #[must_use]
    pub fn url(&self) -> String {
        format!("amqp://{}/%2f", self.at)
    }

    async fn ready(&mut self) {
        eventually("rabbitmq-server listens", async || {
            assert!(self.node.is_running(), "rabbitmq-server has ended: {}", self.node.log());
            TcpStream::connect(self.at).await.ok()
        })
        .await;
    }
}

/// A port that nobody has now. Erlang's own listeners cannot be given an address of the test's as easily.
fn free_port() -> u16 {
    let socket = TcpListener::bind((IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0)).expect("a free port");
    socket.local_addr().expect("its address").port()
}

fn start(at: SocketAddr, (epmd_port, dist_port): (u16, u16), data: &TempDir) -> Process {
    let inside = |name: &str| data.path().join(name);
    let mut command = Command::new(PROGRAM);
    command
        // The script then becomes the node, so that a signal finds it.
        .env("RABBITMQ_ALLOW_INPUT", "1")
        .env("RABBITMQ_SERVER_START_ARGS", "-noinput")
        .env("RABBITMQ_NODENAME", format!("holdfast{}@localhost", at.port()))
        .env("RABBITMQ_NODE_IP_ADDRESS", at.ip().to_string())
        .env("RABBITMQ_NODE_PORT", at.port().to_string())
        .env("RABBITMQ_DIST_PORT", dist_port.to_string())
        .env("ERL_EPMD_PORT", epmd_port.to_string())
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_CONF_ENV_FILE", inside("no-settings"))
        .env("RABBITMQ_CONFIG_FILE", inside("no-settings"))
        .env("RABBITMQ_MNESIA_BASE", inside("mnesia"))
        .env("RABBITMQ_LOG_BASE", inside("log"))
        .env("RABBITMQ_LOGS", "-")
        .env("RABBITMQ_PID_FILE", inside("pid"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", inside("plugins"))
        .env("HOME", data.path());
    Process::spawn("rabbitmq-server", &mut command)
}
