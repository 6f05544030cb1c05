//! Clients that know nothing but the OpenAPI documents make a whole purchase.
//!
//! `cargo xtask fuzz` installs them and runs this against standalone; `cargo xtask compose-test` lets them buy through the
//! gateway.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use harness::{Client, Process, binary, eventually, unused_address};
use tempfile::TempDir;

const CLIENTS: [&str; 3] = ["generated", "aiopenapi3", "schemathesis"];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Python's clients: `cargo xtask fuzz`"]
async fn clients_make_a_purchase_from_the_documents_alone() {
    let (address, data) = (unused_address(), TempDir::new().expect("a folder for the data"));
    let mut command = Command::new(binary("standalone"));
    command
        .args(["--listen", &address.to_string(), "--data"])
        .arg(data.path());
    let _standalone = Process::spawn("standalone", &mut command);
    let origin = format!("http://{address}");
    let client = Client::of_one_origin(&origin);
    eventually("standalone is ready", async || {
        let answer = client.try_call(reqwest::Method::GET, "/health/ready").await.ok()?;
        (answer.status == 200).then_some(())
    })
    .await;
    each_makes_a_purchase(&origin, &[]);
}

/// Lets each client make a purchase at a system whose documents lie at these paths; with none, at `/openapi.json`.
pub(crate) fn each_makes_a_purchase(origin: &str, documents: &[&str]) {
    tokio::task::block_in_place(|| purchase(origin, documents));
}

fn purchase(origin: &str, documents: &[&str]) {
    let python = std::env::var_os("PYTHON").expect("the path of a Python that has the clients");
    let script: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/purchase.py");
    for client in CLIENTS {
        let status = Command::new(&python)
            .arg(&script)
            .args([client, origin])
            .args(documents)
            .status()
            .expect("Python runs");
        assert!(status.success(), "{client} {origin}: {status}");
    }
}
