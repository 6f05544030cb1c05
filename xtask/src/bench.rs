use std::{path::Path, process::Command};

use crate::{
    redis::ensure_redis,
    run::{cargo, release_binary, run},
};

/// The load generator and what it measures.
const PACKAGES: [&str; 5] = ["bench", "order", "payment", "standalone", "stock"];

/// Builds the services and the load generator, and lets the one measure the others.
///
/// # Errors
/// Where a step fails, or a checkout that had to succeed did not.
pub(crate) fn bench(options: &[String]) -> anyhow::Result<()> {
    ensure_redis()?;
    println!("building Holdfast; the first time takes a few minutes");
    run(cargo()
        .args(["build", "--release", "--quiet"])
        .args(PACKAGES.map(|name| format!("--package={name}"))))?;
    let bench = release_binary("bench");
    let programs = bench.parent().unwrap_or(Path::new("."));
    run(Command::new(&bench).arg("--programs").arg(programs).args(options))
}
