use std::process::Command;

use crate::run::{cargo, release_binary, run};

/// Where standalone keeps its data unless it is told otherwise.
const DATA: &str = "data";

/// Builds the auditor and lets it audit the standalone that runs here, or whatever the options name.
///
/// # Errors
/// If something is off, or the auditor cannot tell.
pub(crate) fn audit(options: &[String]) -> anyhow::Result<()> {
    holdfast("audit", options, &["--data", "--order-redis", "--help"])
}

/// Builds the operator's tools and lets them look at the bus of the standalone that runs here, or of whatever the options
/// name.
///
/// # Errors
/// If they cannot do what is asked for.
pub(crate) fn events(options: &[String]) -> anyhow::Result<()> {
    holdfast("events", options, &["--data", "--bus-redis", "--help"])
}

/// Runs a command of `holdfast` on the data folder, unless the options name something else.
fn holdfast(name: &str, options: &[String], elsewhere: &[&str]) -> anyhow::Result<()> {
    run(cargo().args(["build", "--release", "--quiet", "--package", "audit"]))?;
    let mut command = Command::new(release_binary("holdfast"));
    command.arg(name).args(options);
    let is_named = |option: &String| elsewhere.iter().any(|other| option.starts_with(other));
    if !options.iter().any(is_named) {
        command.args(["--data", DATA]);
    }
    run(&mut command)
}
