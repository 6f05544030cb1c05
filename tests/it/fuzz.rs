//! Fuzzing by the OpenAPI documents: whatever is sent, every answer is documented, and none is a fault.
//!
//! `cargo xtask fuzz` installs schemathesis and runs this.

use std::path::Path;

use harness::{Audit, Deployment, Setup};
use tokio::process::Command;

/// How many requests are made up for each operation and phase.
const EXAMPLES: &str = "60";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs schemathesis: `cargo xtask fuzz`"]
async fn every_answer_is_documented_and_none_is_a_fault() {
    let deployment = Deployment::start(Setup::with_bus()).await;
    for service in [&deployment.stock[0], &deployment.payment[0], &deployment.order[0]] {
        fuzz(&service.origin()).await;
    }
    let audit = Audit::of(&deployment).await;
    assert!(audit.consistent, "{audit:?}");
}

async fn fuzz(origin: &str) {
    // An event stream has no end that could be waited for; `live` reads it.
    schemathesis(origin, &["--exclude-path-regex", "batch_init|^/v1/orders/"]).await;
    // The numbers of its records are ours, so a request that is meant to be wrong is not.
    let ours = [
        "--include-path-regex",
        "batch_init",
        "--exclude-checks",
        "negative_data_rejection",
    ];
    schemathesis(origin, &ours).await;
}

async fn schemathesis(origin: &str, options: &[&str]) {
    let program = std::env::var_os("SCHEMATHESIS").expect("the path of schemathesis");
    // It leaves what it has found in the present folder.
    let folder = tempfile::tempdir().expect("a folder");
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemathesis.toml");
    let status = Command::new(program)
        .current_dir(&folder)
        .arg("--config-file")
        .arg(config)
        .args(["run", &format!("{origin}/openapi.json"), "--checks", "all"])
        .args(["--max-examples", EXAMPLES, "--no-color"])
        .args(options)
        .status()
        .await
        .expect("schemathesis runs");
    assert!(status.success(), "{origin} {options:?}: {status}");
}
