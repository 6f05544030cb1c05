use std::process::Command;

use crate::{
    redis::ensure_redis,
    run::{cargo, release_binary, run},
};

/// Builds standalone and the load generator, and lets the one measure the other.
///
/// # Errors
/// Where a step fails, or a checkout that had to succeed did not.
pub(crate) fn bench(options: &[String]) -> anyhow::Result<()> {
    ensure_redis()?;
    println!("building Holdfast; the first time takes a few minutes");
    run(cargo().args([
        "build",
        "--release",
        "--quiet",
        "--package",
        "standalone",
        "--package",
        "bench",
    ]))?;
    let standalone = release_binary("standalone");
    run(Command::new(release_binary("bench"))
        .arg("--standalone")
        .arg(standalone)
        .args(options))
}
