//! The processes under test, and what the operating system says about them.

use std::{
    fs,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::Context;
use serde::Serialize;

/// The unit of processor times in `/proc/<pid>/stat`, which Linux fixes for programs at 1/100 s (`USER_HZ`,
/// see proc(5)).
const TICK: Duration = Duration::from_millis(10);

/// What a process is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// The order service.
    Order,
    /// The stock service.
    Stock,
    /// The payment service.
    Payment,
    /// All three services.
    Standalone,
    /// A redis-server.
    Redis,
}

/// A program that is ended with the value.
pub(crate) struct Process {
    kind: Kind,
    child: Child,
}

/// What one process has used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) kind: Kind,
    /// The processor time since it was started.
    pub(crate) time: Duration,
    /// The memory that it has in the machine now, in bytes.
    pub(crate) resident: u64,
    /// The most that this has been, in bytes.
    pub(crate) resident_peak: u64,
}

impl Process {
    /// Starts a program. It is asked to end when this process does, however that ends.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn start(kind: Kind, command: &mut Command) -> anyhow::Result<Self> {
        let name = command.get_program().to_owned();
        let child = tied(command)
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("{} cannot be started", name.display()))?;
        Ok(Self { kind, child })
    }

    /// # Errors
    /// If it has ended.
    pub(crate) fn ensure_alive(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            Some(status) => Err(anyhow::anyhow!("a service ended at once ({status})")),
            None => Ok(()),
        }
    }

    /// The operating system's number of it.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has used, and its redis-servers, if it is a standalone.
    ///
    /// # Errors
    /// If this is not Linux.
    pub(crate) fn usage(&self) -> anyhow::Result<Vec<Usage>> {
        let pid = self.child.id().to_string();
        let mut used = vec![usage(self.kind, &pid)?];
        // A child is listed with the thread that started it.
        for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
            let children = fs::read_to_string(thread?.path().join("children")).unwrap_or_default();
            for child in children.split_whitespace() {
                used.push(usage(Kind::Redis, child)?);
            }
        }
        Ok(used)
    }
}

impl Drop for Process {
    /// Ends the program in the way that lets it end what it has begun.
    fn drop(&mut self) {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status();
        if !told.is_ok_and(|status| status.success()) {
            // It may have ended by itself.
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

impl Kind {
    /// Its name in tables and plots.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Stock => "stock",
            Self::Payment => "payment",
            Self::Standalone => "standalone",
            Self::Redis => "redis",
        }
    }
}

/// The same command, which gets SIGTERM when the thread that starts it ends, if `setpriv` of util-linux is there to
/// arrange it. This program starts everything on its only thread.
fn tied(command: &Command) -> Command {
    let tries = Command::new("setpriv").args(["--pdeathsig", "TERM", "true"]).status();
    let mut tied = if tries.is_ok_and(|status| status.success()) {
        let mut tied = Command::new("setpriv");
        tied.args(["--pdeathsig", "TERM", "--"]).arg(command.get_program());
        tied
    } else {
        Command::new(command.get_program())
    };
    tied.args(command.get_args());
    tied.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    tied
}

/// The resident memory of one process, in bytes.
///
/// # Errors
/// If there is none, or this is not Linux.
pub(crate) fn resident(pid: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    status_bytes(&status, "VmRSS:")
}

fn usage(kind: Kind, pid: &str) -> anyhow::Result<Usage> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    Ok(Usage {
        kind,
        time: processor_time(pid)?,
        resident: status_bytes(&status, "VmRSS:")?,
        resident_peak: status_bytes(&status, "VmHWM:")?,
    })
}

/// User and system time of one process: fields 14 and 15 of its stat, counted after the name, which may
/// contain anything.
fn processor_time(pid: &str) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, after_name) = stat.rsplit_once(')').context("no name in stat")?;
    let mut fields = after_name.split_whitespace().skip(11);
    let mut ticks = || -> anyhow::Result<u32> { Ok(fields.next().context("too few fields in stat")?.parse()?) };
    Ok(TICK * (ticks()? + ticks()?))
}

/// A field of `/proc/<pid>/status`, which counts memory in units of 1,024 bytes.
fn status_bytes(status: &str, name: &str) -> anyhow::Result<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name));
    let value = value.and_then(|value| value.trim().strip_suffix(" kB"));
    let units: u64 = value.with_context(|| format!("no {name} in status"))?.parse()?;
    Ok(units * 1_024)
}
