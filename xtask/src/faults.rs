use std::process::Command;

use crate::{
    redis::ensure_redis,
    run::{become_command, cargo, debug_binary, run},
};

/// Builds the services and the fault runner, and lets the one break the others.
///
/// # Errors
/// If a step fails, or a promise was broken.
pub(crate) fn faults(options: &[String]) -> anyhow::Result<()> {
    ensure_redis()?;
    run(cargo().args(["build", "--quiet", "--workspace", "--bins"]))?;
    become_command(Command::new(debug_binary("faults")).args(options))
}
