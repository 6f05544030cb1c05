//! rabbitmq-server, which the tests of the bridge start nodes of.

use std::path::Path;

use anyhow::bail;

use crate::{install::install, run::is_there};

/// Where the tests look for it: `tests/harness/src/rabbitmq.rs`.
const PROGRAM: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// Installs rabbitmq-server by apt if it is not there, and says so first.
///
/// # Errors
/// If there is no apt, or installing fails.
pub(crate) fn ensure_rabbitmq() -> anyhow::Result<()> {
    if Path::new(PROGRAM).exists() {
        return Ok(());
    }
    if !is_there("apt-get", "--version") {
        bail!("rabbitmq-server is missing, which the tests start: install RabbitMQ 3.10 or later, with {PROGRAM}");
    }
    println!("rabbitmq-server is missing; installing it with apt-get:");
    // RUNLEVEL=1 keeps Debian from starting a system-wide node: the tests start their own.
    let by_apt: &[&str] = &[
        "env",
        "RUNLEVEL=1",
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
        "install",
        "--yes",
        "--no-install-recommends",
        "rabbitmq-server",
    ];
    install(&[&["apt-get", "update"], by_apt], true)
}
