//! The engine on a cluster whose slots move, and behind a sentinel whose master dies.

use std::{collections::HashMap, fs, process::Command as Program};

use shared::{
    engine::{Engine, EngineConfig, EngineError, Lanes},
    store::Store,
};
use tempfile::TempDir;
use tests::{Increment, Process, RedisServer, eventually, unused_address};

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
    let mut nodes = Vec::new();
    for _ in 0..3 {
        let node = RedisServer::start_with(&["--cluster-enabled", "yes"]).await;
        announce(&node, "cluster-announce-ip").await;
        nodes.push(node);
    }
    let addresses: Vec<String> = nodes.iter().map(|node| node.address().to_string()).collect();
    cluster("create", &addresses, &[]);
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
