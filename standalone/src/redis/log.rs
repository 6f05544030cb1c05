//! What a redis-server says: kept in its folder, and the last lines in memory as well, since a full disk takes none.

use std::{
    collections::VecDeque,
    fs::{File, OpenOptions},
    io::Write,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{ChildStderr, ChildStdout},
    task::JoinHandle,
    time::timeout,
};

/// How many lines are kept in memory.
const LINES: usize = 10;
/// A file that has grown past this is begun anew at the server's next start.
const MAX_FILE_BYTES: u64 = 8 << 20;
/// A server that has ended may leave a child that still has its output open.
const END_PATIENCE: Duration = Duration::from_millis(500);

/// The log of one run of a server.
pub(super) struct Log {
    lines: Arc<Mutex<VecDeque<String>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Log {
    /// Follows what a server writes to its outputs until it closes them.
    pub(super) fn follow(path: &Path, stdout: Option<ChildStdout>, stderr: Option<ChildStderr>) -> Self {
        let lines = Arc::default();
        let readers = [
            stdout.map(|stdout| tokio::spawn(read(stdout, open(path), Arc::clone(&lines)))),
            stderr.map(|stderr| tokio::spawn(read(stderr, open(path), Arc::clone(&lines)))),
        ];
        Self {
            lines,
            readers: readers.into_iter().flatten().collect(),
        }
    }

    /// Waits until all has been read that a server said which has ended.
    pub(super) async fn finished(&mut self) {
        for mut reader in self.readers.drain(..) {
            let _ = timeout(END_PATIENCE, &mut reader).await;
        }
    }

    /// The last lines.
    pub(super) fn end(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        lines.join("\n")
    }

    /// The last line, without the server's own time and number.
    pub(super) fn last_line(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.back().map_or("it said nothing", |line| message(line)).to_owned()
    }
}

/// A file that cannot be written costs the file, and nothing else.
fn open(path: &Path) -> Option<File> {
    let grown = path.metadata().is_ok_and(|file| file.len() > MAX_FILE_BYTES);
    let mut options = OpenOptions::new();
    options.create(true).append(!grown).write(true).truncate(grown);
    let opened = options.open(path);
    opened
        .inspect_err(|cause| tracing::warn!(path = %path.display(), %cause, "redis-server's log cannot be kept"))
        .ok()
}

async fn read(output: impl AsyncRead + Unpin, mut file: Option<File>, lines: Arc<Mutex<VecDeque<String>>>) {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    while let Ok(1..) = output.read_until(b'\n', &mut line).await {
        if let Some(file) = &mut file {
            // A full disk takes no line; the next one may find room.
            let _ = file.write_all(&line);
        }
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        line.clear();
        if !text.is_empty() {
            let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
            lines.push_back(text);
            if lines.len() > LINES {
                lines.pop_front();
            }
        }
    }
}

/// Redis writes `<pid>:<role> <time> <level> <message>`, the level being one of `.-*#`.
fn message(line: &str) -> &str {
    [" # ", " * ", " - ", " . "]
        .iter()
        .find_map(|level| line.split_once(level))
        .map_or(line, |(_, message)| message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_told_without_its_time() {
        let line = "7:M 25 Nov 2026 05:00:00.123 # Write error: No space left on device";
        assert_eq!(message(line), "Write error: No space left on device");
        assert_eq!(
            message("*** FATAL CONFIG FILE ERROR ***"),
            "*** FATAL CONFIG FILE ERROR ***"
        );
    }

    #[tokio::test]
    async fn the_last_lines_are_kept_whatever_becomes_of_the_file() {
        let said: Vec<String> = (0..100).map(|number| format!("line {number}\n")).collect();
        let lines: Arc<Mutex<VecDeque<String>>> = Arc::default();
        read(said.concat().as_bytes(), None, lines.clone()).await;
        let log = Log {
            lines,
            readers: Vec::new(),
        };
        assert_eq!(log.last_line(), "line 99");
        assert_eq!(log.end().lines().count(), LINES);
    }
}
