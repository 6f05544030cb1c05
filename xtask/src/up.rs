use std::{os::unix::process::CommandExt, path::PathBuf, process::Command};

use anyhow::Context;

use crate::{
    redis::ensure_redis,
    run::{cargo, run},
};

/// Installs what is missing, builds, and becomes standalone.
///
/// # Errors
/// Where a step fails; the message names it.
pub(crate) fn up(options: &[String]) -> anyhow::Result<()> {
    ensure_redis()?;
    println!("building Holdfast; the first time takes a few minutes");
    run(cargo().args(["build", "--release", "--quiet", "--package", "standalone"]))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    let standalone = target.join("release").join("standalone");
    // It takes this process's place, so that signals reach it.
    let error = Command::new(&standalone).args(options).exec();
    Err(error).with_context(|| format!("{} cannot be started", standalone.display()))
}
