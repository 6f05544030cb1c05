use std::{os::unix::process::CommandExt, process::Command};

use anyhow::Context;

use crate::{
    redis::ensure_redis,
    run::{cargo, release_binary, run},
};

/// Installs what is missing, builds, and becomes standalone.
///
/// # Errors
/// If a step fails; the message names it.
pub(crate) fn up(options: &[String]) -> anyhow::Result<()> {
    ensure_redis()?;
    println!("building Holdfast; the first time takes a few minutes");
    run(cargo().args(["build", "--release", "--package", "standalone"]))?;
    let standalone = release_binary("standalone");
    // It takes this process's place, so that signals reach it.
    let error = Command::new(&standalone).args(options).exec();
    Err(error).with_context(|| format!("{} cannot be started", standalone.display()))
}
