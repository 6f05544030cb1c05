//! redis-server, from the system's package manager if it is missing.

use anyhow::bail;

use crate::{install::install, run::is_there};

/// A package manager and the commands that install redis-server with it.
struct Manager {
    program: &'static str,
    commands: &'static [&'static [&'static str]],
    as_root: bool,
}

const MANAGERS: [Manager; 5] = [
    Manager {
        program: "apt-get",
        commands: &[
            &["apt-get", "update"],
            // RUNLEVEL=1 keeps Debian from starting a system-wide server: Holdfast runs its own.
            &[
                "env",
                "RUNLEVEL=1",
                "DEBIAN_FRONTEND=noninteractive",
                "apt-get",
                "install",
                "--yes",
                "redis-server",
            ],
        ],
        as_root: true,
    },
    Manager {
        program: "dnf",
        commands: &[&["dnf", "install", "--assumeyes", "redis"]],
        as_root: true,
    },
    Manager {
        program: "pacman",
        commands: &[&["pacman", "--sync", "--noconfirm", "redis"]],
        as_root: true,
    },
    Manager {
        program: "apk",
        commands: &[&["apk", "add", "redis"]],
        as_root: true,
    },
    Manager {
        program: "brew",
        commands: &[&["brew", "install", "redis"]],
        as_root: false,
    },
];

/// Installs redis-server if it is not there, and says so first.
///
/// # Errors
/// If no package manager is known, or installing fails.
pub(crate) fn ensure_redis() -> anyhow::Result<()> {
    if is_there("redis-server", "--version") {
        return Ok(());
    }
    let Some(manager) = MANAGERS.iter().find(|manager| is_there(manager.program, "--version")) else {
        bail!("redis-server is missing, and no package manager is known here: install Redis 6.2 or later by hand");
    };
    println!("redis-server is missing; installing it with {}:", manager.program);
    install(manager.commands, manager.as_root)
}
