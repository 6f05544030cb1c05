use std::{
    fs::File,
    io::Write,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use tempfile::NamedTempFile;

use crate::PATIENCE;

static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();

/// Lets everything that is started from now on be of this folder, in place of the one that this program is in. The first
/// call counts.
pub fn programs_are_in(folder: PathBuf) {
    PROGRAMS.get_or_init(|| folder);
}

/// The path of one of the workspace's binaries, which `cargo xtask test` builds before the tests.
///
/// # Panics
/// If it was not built.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("this program's own path");
    // A program lies beside the others; a test lies one folder deeper.
    let beside = this.ancestors().skip(1).take(2);
    let folders = PROGRAMS
        .get()
        .map_or_else(|| beside.collect(), |folder| vec![folder.as_path()]);
    folders
        .into_iter()
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| unreachable!("{name} is not built: run the tests with `cargo xtask test`"))
}

/// A running program. It is killed with the value; after a failed test the end of its log is shown.
pub struct Process {
    name: String,
    child: Child,
    log: NamedTempFile,
    /// The end of its standard error that nobody reads.
    _unread: Option<UnixStream>,
}

impl Process {
    /// Starts a program with its log in a file. It ends when the thread that starts it does.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn spawn(name: &str, command: &mut Command) -> Self {
        let log = NamedTempFile::new().expect("a file for the log");
        let errors = Stdio::from(log.reopen().expect("the log again"));
        Self::spawn_with(name, command, log, errors, None)
    }

    /// Starts a program whose log nobody reads any more: each line that it logs hangs for ever.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn spawn_unread(name: &str, command: &mut Command) -> Self {
        let log = NamedTempFile::new().expect("a file for the log");
        let (mut errors, unread) = UnixStream::pair().expect("a pair of sockets");
        errors.set_nonblocking(true).expect("a socket that can be full");
        while errors.write(&[b'.'; 4_096]).is_ok() {}
        errors.set_nonblocking(false).expect("a socket that hangs");
        let errors = Stdio::from(OwnedFd::from(errors));
        Self::spawn_with(name, command, log, errors, Some(unread))
    }

    fn spawn_with(
        name: &str,
        command: &mut Command,
        log: NamedTempFile,
        errors: Stdio,
        unread: Option<UnixStream>,
    ) -> Self {
        let child = tied(command)
            .stdin(Stdio::null())
            .stdout(log.reopen().expect("the log again"))
            .stderr(errors)
            .spawn()
            .unwrap_or_else(|error| unreachable!("{name} does not start: {error}"));
        Self {
            name: name.into(),
            child,
            log,
            _unread: unread,
        }
    }

    /// Ends the program at once, as kill -9 does.
    pub fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends a signal by its name: TERM, STOP, CONT. After STOP the program stands still.
    ///
    /// # Panics
    /// If the signal cannot be sent, or the program does not stand still.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .arg(format!("-{signal}"))
            .arg(self.child.id().to_string())
            .status();
        assert!(
            sent.expect("kill runs").success(),
            "{signal} cannot be sent to {}",
            self.name
        );
        // A thread has to be given the processor before it hears of it, and the others go on until then.
        let sent = Instant::now();
        while signal == "STOP" && !self.stands_still() {
            assert!(sent.elapsed() < PATIENCE, "{} does not stand still", self.name);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Whether all of its threads are stopped.
    ///
    /// Source: <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>
    fn stands_still(&self) -> bool {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("a running program");
        threads.filter_map(Result::ok).all(|thread| {
            // One that has ended since is not in the way.
            let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            let state = stat.rsplit(')').next().unwrap_or_default().trim_start();
            !state.starts_with(['R', 'S', 'D'])
        })
    }

    /// Whether the program has set a handler for SIGTERM.
    ///
    /// Source: <https://man7.org/linux/man-pages/man5/proc_pid_status.5.html>
    ///
    /// # Panics
    /// If the operating system does not tell.
    #[must_use]
    pub fn catches_sigterm(&self) -> bool {
        const SIGTERM: u64 = 1 << 14;
        let caught = u64::from_str_radix(&self.status("SigCgt:"), 16).expect("a mask of signals");
        caught & SIGTERM != 0
    }

    /// A line of what the operating system tells of the running program.
    fn status(&self, line: &str) -> String {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("a running program");
        let told = status.lines().find_map(|told| told.strip_prefix(line));
        told.expect("a line of the status").trim().to_owned()
    }

    /// The operating system's number of the program.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the program to end by itself, and returns how it did.
    ///
    /// # Panics
    /// If it cannot be waited for.
    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("a child")
    }

    /// Whether the program is still there.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// How the program has ended, if it is no longer there.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// How much memory the program has in use.
    ///
    /// # Panics
    /// If the operating system does not tell.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        let size = self.status("VmRSS:");
        let kibibytes: u64 = size.trim_end_matches(" kB").parse().expect("a number");
        kibibytes * 1_024
    }

    /// The last lines that the program has logged.
    #[must_use]
    pub fn log_end(&self) -> String {
        const LINES: usize = 20;
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }

    /// All that the program has logged.
    #[must_use]
    pub fn log(&self) -> String {
        let mut text = String::new();
        if let Ok(mut file) = File::open(self.log.path()) {
            let _ = std::io::Read::read_to_string(&mut file, &mut text);
        }
        text
    }
}

/// The same command, which is killed when the thread that starts it ends, however that happens: what a test or the
/// fault runner has started must not outlive it. If `setpriv` of util-linux is not there, it may.
fn tied(command: &Command) -> Command {
    static CAN_BE_TIED: OnceLock<bool> = OnceLock::new();
    let is_possible = *CAN_BE_TIED.get_or_init(|| {
        let tried = Command::new("setpriv").args(["--pdeathsig", "KILL", "true"]).status();
        tried.is_ok_and(|status| status.success())
    });
    let mut tied = if is_possible {
        let mut tied = Command::new("setpriv");
        tied.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program());
        tied
    } else {
        Command::new(command.get_program())
    };
    tied.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => tied.env(name, value),
            None => tied.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        tied.current_dir(folder);
    }
    tied
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- the end of {}'s log\n{}", self.name, self.log_end());
        }
    }
}
