//! The redis-server program, and how it is started.

use std::{fs, path::Path, process::Stdio};

use anyhow::{Context, ensure};
use clap::ValueEnum;
use tokio::process::{Child, Command};

use super::{folder::socket, log::Log};

/// How soon a change is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fsync {
    /// Before it is answered: nothing that was answered is ever lost.
    Always,
    /// Within a second: a crash of the machine may lose the last second.
    Everysec,
}

impl Fsync {
    fn policy(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Everysec => "everysec",
        }
    }
}

/// Starts the program on a folder.
pub(super) fn spawn(program: &Path, folder: &Path, fsync: Fsync) -> anyhow::Result<(Child, Log)> {
    let mut command = tied_to_this_process(program);
    command
        .args(["--port", "0", "--unixsocketperm", "700"])
        .args(["--daemonize", "no", "--save", ""])
        .args(["--appendonly", "yes", "--appendfsync", fsync.policy()])
        .args(["--maxmemory-policy", "noeviction"])
        .arg("--unixsocket")
        .arg(socket(folder))
        .arg("--dir")
        .arg(folder)
        .arg("--pidfile")
        .arg(folder.join("redis.pid"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C goes to the whole process group; the services must stop before their stores do.
        .process_group(0)
        .kill_on_drop(true);
    let mut child = command.spawn().context("redis-server does not start")?;
    let log = Log::follow(&folder.join("redis.log"), child.stdout.take(), child.stderr.take());
    Ok((child, log))
}

/// A command that ends when this process dies, if `setpriv` of util-linux is there to arrange it.
///
/// The kernel sends the signal when the *thread* that started the child ends (prctl(2),
/// `PR_SET_PDEATHSIG`), so servers must be started on the main thread: in `main`'s own future.
fn tied_to_this_process(program: &Path) -> Command {
    let setpriv = std::process::Command::new("setpriv")
        .args(["--pdeathsig", "TERM", "true"])
        .status();
    if setpriv.is_ok_and(|status| status.success()) {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

/// Whether the program can be run at all.
pub(crate) fn ensure_installed(program: &Path) -> anyhow::Result<()> {
    let found = std::process::Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    ensure!(
        found.is_ok_and(|status| status.success()),
        "{} cannot be run. `cargo xtask up` installs it; by hand it is `apt-get install redis-server`, \
         `dnf install redis` or `brew install redis`. --redis-server names one in another place.",
        program.display(),
    );
    Ok(())
}

/// Whether a process waits for a disk that has not taken what it was given (state D in `proc_pid_stat(5)`): killing it
/// would not end the wait, and might lose what it writes.
pub(super) fn waits_for_its_disk(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| state(&stat) == Some('D'))
}

/// The state is the first field after the name, which is in brackets and may have brackets itself.
fn state(stat: &str) -> Option<char> {
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_waits_for_its_disk_is_known_by_its_state() {
        assert_eq!(state("7 (redis-server) D 1 7 7 0 -1"), Some('D'));
        assert_eq!(state("7 (a D) b) S 1 7 7 0 -1"), Some('S'));
        assert_eq!(state(""), None);
        assert!(!waits_for_its_disk(std::process::id()));
    }
}
