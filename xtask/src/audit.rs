use std::process::Command;

use crate::run::{cargo, release_binary, run};

/// Where standalone keeps its data unless it is told otherwise.
const DATA: &str = "data";

/// Builds the auditor and lets it audit the standalone that runs here, or whatever the options name.
///
/// # Errors
/// If something is off, or the auditor cannot tell.
pub(crate) fn audit(options: &[String]) -> anyhow::Result<()> {
    run(cargo().args(["build", "--release", "--quiet", "--package", "audit"]))?;
    let mut command = Command::new(release_binary("holdfast"));
    command.arg("audit").args(options);
    let named = ["--data", "--order-redis", "--help"];
    if !options
        .iter()
        .any(|option| named.iter().any(|name| option.starts_with(name)))
    {
        command.args(["--data", DATA]);
    }
    run(&mut command)
}
