//! Servers that are announced, by a cluster or a sentinel: their certificates have to be for the announced addresses.

use std::{fs, process::Command};

use domain::Millis;
use engine::{
    Engine, EngineConfig, EngineError,
    store::{Store, StoreConfig},
};
use harness::{Authority, Increment, Issued, Process, RedisServer, eventually, unused_address};
use tempfile::TempDir;

use super::{ANYBODY, redis};
use crate::engine::{counter, partitions};

/// Counts over a lane and reads over fred, which must both find the servers and trust them.
async fn count(url: &str, authority: &Authority) {
    let store = Store::open(&config(url, authority)).expect("a store");
    let (engine, _lanes) = Engine::start(&store, &partitions(), &EngineConfig::default());
    for name in (0..16).map(|number| number.to_string()) {
        let sum = eventually("an increment is committed", async || {
            match engine.submit(Increment::of(&name, &partitions())).await {
                Ok(sum) => Some(sum),
                Err(EngineError::Unavailable(_)) => None,
                Err(error) => unreachable!("{error}"),
            }
        })
        .await;
        assert_eq!((sum, counter(&store, &name).await), (1, 1), "{name}");
    }
}

fn config(url: &str, authority: &Authority) -> StoreConfig {
    let mut config = StoreConfig::at(url);
    config.access.redis_ca_file = Some(authority.ca());
    config.redis_timeout = Millis::new(2_000);
    config
}

async fn cluster(authority: &Authority, certificates: [&Issued; 3]) -> Vec<RedisServer> {
    let mut nodes = Vec::new();
    for shown in certificates {
        let options = [&ANYBODY[..], &["--cluster-enabled", "yes", "--tls-cluster", "yes"]].concat();
        let node = RedisServer::start_tls(authority, shown, &options).await;
        let address = node.address().ip().to_string();
        node.run(&["config", "set", "cluster-announce-ip", &address]).await;
        nodes.push(node);
    }
    let addresses = nodes.iter().map(|node| node.tls_address().to_string());
    // redis-cli looks at the chain and not at the name.
    let made = Command::new("redis-cli")
        .args(["--tls", "--cacert", &authority.ca_setting(), "--cluster", "create"])
        .args(addresses)
        .arg("--cluster-yes")
        .output()
        .expect("redis-cli runs");
    assert!(made.status.success(), "{made:?}");
    eventually("the cluster is whole", async || {
        for node in &nodes {
            if !node.run(&["cluster", "info"]).await.contains("cluster_state:ok") {
                return None;
            }
        }
        Some(())
    })
    .await;
    nodes
}

#[tokio::test(flavor = "multi_thread")]
async fn on_an_encrypted_cluster_every_node_is_known_by_its_announced_address() {
    let authority = Authority::new();
    let issued = [authority.issue(), authority.issue(), authority.issue()];
    let nodes = cluster(&authority, issued.each_ref()).await;
    count(&format!("rediss-cluster://{}", nodes[0].tls_address()), &authority).await;
    for node in &nodes {
        assert_ne!(node.run(&["dbsize"]).await, "0", "every node holds some");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_certificate_is_for_another_address_is_not_written_to() {
    let authority = Authority::new();
    let (right, wrong) = (authority.issue(), authority.issue_for("elsewhere.example"));
    let nodes = cluster(&authority, [&right, &wrong, &right]).await;
    let url = format!("rediss-cluster://{}", nodes[0].tls_address());
    let store = Store::open(&config(&url, &authority)).expect("a store");
    let (engine, _lanes) = Engine::start(&store, &partitions(), &EngineConfig::default());
    let mut outcomes = Vec::new();
    for name in (0..16).map(|number| number.to_string()) {
        outcomes.push(engine.submit(Increment::of(&name, &partitions())).await);
    }
    assert!(outcomes.iter().any(Result::is_ok), "{outcomes:?}");
    let refused = outcomes.iter().find_map(|outcome| outcome.as_ref().err());
    let refused = refused.expect("a key of the node that cannot be trusted");
    assert!(matches!(refused, EngineError::Unavailable(_)), "{refused:?}");
    assert_eq!(nodes[1].run(&["dbsize"]).await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_an_encrypted_sentinel_the_master_is_known_by_its_announced_address() {
    let authority = Authority::new();
    let issued = authority.issue();
    let master = redis(&authority, &issued).await;
    let folder = TempDir::new().expect("a folder");
    let (address, settings) = (unused_address(), folder.path().join("sentinel.conf"));
    let at = master.tls_address();
    let lines = [
        format!("bind {}", address.ip()),
        "port 0".into(),
        format!("tls-port {}", address.port()),
        format!("tls-ca-cert-file {}", authority.ca().display()),
        format!("tls-cert-file {}", issued.certificate.display()),
        format!("tls-key-file {}", issued.key.display()),
        "tls-auth-clients no".into(),
        "tls-replication yes".into(),
        format!("dir {}", folder.path().display()),
        format!("sentinel monitor tested {} {} 1", at.ip(), at.port()),
    ];
    fs::write(&settings, lines.join("\n") + "\n").expect("the sentinel's settings");
    let mut program = Command::new("redis-server");
    program.arg(&settings).arg("--sentinel");
    let _sentinel = Process::spawn("sentinel", &mut program);
    count(
        &format!("rediss-sentinel://{address}/0?sentinelServiceName=tested"),
        &authority,
    )
    .await;
}
