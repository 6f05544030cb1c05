//! The engine on a cluster whose slots move, and behind a sentinel whose master dies.

use std::{collections::HashMap, fs, process::Command as Program};

use domain::Millis;
use engine::{Engine, EngineConfig, EngineError, Lanes, store::Store};
use harness::{Increment, Process, RedisServer, eventually, unused_address};
use tempfile::TempDir;

use crate::engine::{counter, partitions, start};

/// Counters that touch every partition, and how often each was incremented.
struct Counters {
    store: Store,
    engine: Engine,
    _lanes: Lanes,
    expected: HashMap<String, i64>,
}

impl Counters {
    fn at(url: &str) -> Self {
        let (store, engine, lanes) = start(url, &EngineConfig::default());
        let expected = (0..64).map(|number| (number.to_string(), 0)).collect();
        Self {
            store,
            engine,
            _lanes: lanes,
            expected,
        }
    }

    /// Increments each once. What is refused is asked again, and must not have happened.
    async fn increment_all(&mut self) {
        for (name, expected) in &mut self.expected {
            *expected += 1;
            let sum = eventually("an increment is committed", async || {
                match self.engine.submit(Increment::of(name, &partitions())).await {
                    Ok(sum) => Some(sum),
                    Err(EngineError::Unavailable(_)) => None,
                    Err(error) => unreachable!("{name}: {error}"),
                }
            })
            .await;
            assert_eq!(sum, *expected, "{name}");
        }
    }

    async fn ensure_stored(&self) {
        for (name, expected) in &self.expected {
            assert_eq!(counter(&self.store, name).await, *expected, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_cluster_every_partition_is_served_while_slots_move() {
    let nodes = cluster_of_three().await;
    let addresses = addresses(&nodes);
    let mut counters = Counters::at(&format!("redis-cluster://{}", addresses[0]));
    counters.increment_all().await;
    for node in &nodes {
        assert_ne!(node.run(&["dbsize"]).await, "0", "every node holds some partitions");
    }

    let (from, to) = (
        nodes[0].run(&["cluster", "myid"]).await,
        nodes[1].run(&["cluster", "myid"]).await,
    );
    let move_slots = ["--cluster-from", &from, "--cluster-to", &to, "--cluster-slots", "1500"];
    cluster("reshard", &addresses[..1], &move_slots);
    counters.increment_all().await;
    counters.ensure_stored().await;
}

/// A slot that is about to move from one node to another.
struct Move<'a> {
    slot: String,
    from: &'a RedisServer,
    to: &'a RedisServer,
}

impl<'a> Move<'a> {
    async fn begin(nodes: &'a [RedisServer], key: &str) -> Self {
        let slot = nodes[0].run(&["cluster", "keyslot", key]).await;
        let mut owner = None;
        for (index, node) in nodes.iter().enumerate() {
            if node.run(&["cluster", "countkeysinslot", &slot]).await != "0" {
                owner = Some(index);
            }
        }
        let owner = owner.expect("a node that has the key");
        let (from, to) = (&nodes[owner], &nodes[(owner + 1) % nodes.len()]);
        let (from_id, to_id) = (from.run(&["cluster", "myid"]).await, to.run(&["cluster", "myid"]).await);
        to.run(&["cluster", "setslot", &slot, "importing", &from_id]).await;
        from.run(&["cluster", "setslot", &slot, "migrating", &to_id]).await;
        Self { slot, from, to }
    }

    /// Moves the keys that are still there and are named so in part.
    async fn keys(&self, named: &str) {
        let keys = self.from.run(&["cluster", "getkeysinslot", &self.slot, "100"]).await;
        let (host, port) = (self.to.address().ip().to_string(), self.to.address().port().to_string());
        for key in keys.lines().filter(|key| key.contains(named)) {
            self.from.run(&["migrate", &host, &port, key, "0", "5000"]).await;
        }
    }

    async fn end(&self) {
        self.keys("").await;
        let id = self.to.run(&["cluster", "myid"]).await;
        for node in [self.to, self.from] {
            node.run(&["cluster", "setslot", &self.slot, "node", &id]).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_is_served_while_it_moves_and_what_cannot_be_yet_is_waited_for() {
    let nodes = cluster_of_three().await;
    let config = EngineConfig {
        command_deadline: Millis::new(20_000),
        ..EngineConfig::default()
    };
    let url = format!("redis-cluster://{}", nodes[0].address());
    let (store, engine, _lanes) = start(&url, &config);
    let all = partitions();
    // Two counters of one partition.
    let first = "first";
    let other = (0..).map(|number| number.to_string());
    let other = other
        .into_iter()
        .find(|name| all.of(name) == all.of(first))
        .expect("a name");
    let add = async |name: &str| engine.submit(Increment::of(name, &all)).await.expect("an outcome");
    assert_eq!((add(first).await, add(&other).await), (1, 1));

    let key = Increment::of(first, &all).key().name().to_string();
    let moving = Move::begin(&nodes, &key).await;
    assert_eq!(
        (add(first).await, add(&other).await),
        (2, 2),
        "where the keys still are"
    );
    moving.keys("fence:").await;
    moving.keys(&key).await;
    assert_eq!(add(first).await, 3, "where the keys are already");
    // This one is not where the fence is.
    let (sum, ()) = tokio::join!(add(&other), async {
        eventually("the lane is told to try again", async || {
            let mut told = false;
            for node in &nodes {
                told |= node.run(&["info", "errorstats"]).await.contains("TRYAGAIN");
            }
            told.then_some(())
        })
        .await;
        moving.end().await;
    });
    assert_eq!(sum, 3);
    assert_eq!((add(first).await, add(&other).await), (4, 4), "where they all are");
    assert_eq!((counter(&store, first).await, counter(&store, &other).await), (4, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_sentinel_the_new_master_is_found() {
    let mut master = RedisServer::start().await;
    let replica = RedisServer::start().await;
    let (host, port) = (master.address().ip().to_string(), master.address().port().to_string());
    announce(&replica, "replica-announce-ip").await;
    replica.run(&["replicaof", &host, &port]).await;
    let folder = TempDir::new().expect("a folder");
    let (_sentinel, url) = sentinel(&folder, &host, &port);
    eventually("the sentinel knows the replica", async || {
        let info = master.run(&["info", "replication"]).await;
        info.contains("state=online").then_some(())
    })
    .await;

    let mut counters = Counters::at(&url);
    counters.increment_all().await;
    // Replication is not part of a commit: what the replica has not got when the master dies is lost.
    replicated(&master).await;
    master.kill();
    counters.increment_all().await;
    counters.ensure_stored().await;
    assert!(replica.run(&["role"]).await.starts_with("master"));
}

/// Three masters that own all slots together.
async fn cluster_of_three() -> Vec<RedisServer> {
    let mut nodes = Vec::new();
    for _ in 0..3 {
        let node = RedisServer::start_with(&["--cluster-enabled", "yes"]).await;
        announce(&node, "cluster-announce-ip").await;
        nodes.push(node);
    }
    cluster("create", &addresses(&nodes), &[]);
    eventually("the cluster is whole", async || {
        for node in &nodes {
            let info = node.run(&["cluster", "info"]).await;
            if !info.contains("cluster_state:ok") {
                return None;
            }
        }
        Some(())
    })
    .await;
    nodes
}

fn addresses(nodes: &[RedisServer]) -> Vec<String> {
    nodes.iter().map(|node| node.address().to_string()).collect()
}

/// Lets a server tell its own address; the others would take it to be the loopback's first one.
async fn announce(server: &RedisServer, setting: &str) {
    let address = server.address().ip().to_string();
    server.run(&["config", "set", setting, &address]).await;
}

/// Waits until the replica has all that the master had when this was called.
async fn replicated(master: &RedisServer) {
    let number = |text: Option<&str>| text.and_then(|text| text.trim().parse::<u64>().ok());
    let info = master.run(&["info", "replication"]).await;
    let sent = info.lines().find_map(|line| line.strip_prefix("master_repl_offset:"));
    let sent = number(sent).expect("how much was sent");
    eventually("the replica has everything", async || {
        let info = master.run(&["info", "replication"]).await;
        let replica = info.lines().find(|line| line.starts_with("slave0:"))?;
        let has = number(replica.split(',').find_map(|part| part.strip_prefix("offset=")));
        (has? >= sent).then_some(())
    })
    .await;
}

/// One of redis-cli's commands for clusters.
fn cluster(command: &str, addresses: &[String], options: &[&str]) {
    let done = Program::new("redis-cli")
        .args(["--cluster", command])
        .args(addresses)
        .args(options)
        .arg("--cluster-yes")
        .output()
        .expect("redis-cli runs");
    assert!(done.status.success(), "{command}: {done:?}");
}

/// A sentinel that watches one master, and its address as the services take it.
fn sentinel(folder: &TempDir, host: &str, port: &str) -> (Process, String) {
    let address = unused_address();
    let settings = folder.path().join("sentinel.conf");
    let lines = [
        format!("bind {}", address.ip()),
        format!("port {}", address.port()),
        format!("dir {}", folder.path().display()),
        format!("sentinel monitor tested {host} {port} 1"),
        "sentinel down-after-milliseconds tested 500".into(),
        "sentinel failover-timeout tested 2000".into(),
    ];
    fs::write(&settings, lines.join("\n") + "\n").expect("the sentinel's settings");
    let mut program = Program::new("redis-server");
    program.arg(&settings).arg("--sentinel");
    let url = format!("redis-sentinel://{address}/0?sentinelServiceName=tested");
    (Process::spawn("sentinel", &mut program), url)
}
