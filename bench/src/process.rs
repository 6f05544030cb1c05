//! The processes under test, and what the operating system says about them.

use std::time::Duration;

use anyhow::Context;
use procfs::process::Process;
use serde::Serialize;

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
    /// A service's redis-server.
    Redis,
    /// The bus's redis-server.
    Bus,
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
    pub(crate) resident_max: u64,
}

impl Usage {
    /// What the process with this number has used so far.
    ///
    /// # Errors
    /// There is none, or this is not Linux.
    pub(crate) fn read(kind: Kind, pid: u32) -> anyhow::Result<Self> {
        let process = Process::new(i32::try_from(pid)?)?;
        let (stat, status) = (process.stat()?, process.status()?);
        let ticks = stat.utime + stat.stime;
        let bytes = |kibibytes: Option<u64>| kibibytes.context("no memory in its status").map(|size| size * 1_024);
        Ok(Self {
            kind,
            time: Duration::from_millis(ticks * 1_000 / procfs::ticks_per_second()),
            resident: bytes(status.vmrss)?,
            resident_max: bytes(status.vmhwm)?,
        })
    }
}

impl Kind {
    /// Whether it is a redis-server.
    pub(crate) fn is_redis(self) -> bool {
        matches!(self, Self::Redis | Self::Bus)
    }

    /// Its name in tables and plots.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Stock => "stock",
            Self::Payment => "payment",
            Self::Standalone => "standalone",
            Self::Redis => "redis",
            Self::Bus => "bus",
        }
    }
}
