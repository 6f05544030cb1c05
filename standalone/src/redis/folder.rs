//! A data folder, and whoever else may be using it.

use std::{
    fs::{self, DirBuilder, File},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use tokio::time::{Instant, sleep};

use super::talk::{PingAnswer, ask, ping};

/// A socket's path is at most 107 bytes long on Linux and 103 on macOS (`sun_path` in unix(7)).
const MAX_SOCKET_PATH: usize = 103;
/// How long a server that was left behind may take to write what it has.
const LEFTOVER_PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// Keeps a data folder to one standalone. The lock ends with the process, however that ends.
pub(crate) fn lock(data: &Path) -> anyhow::Result<File> {
    make_folder(data)?;
    let path = data.join("lock");
    let file = File::create(&path).with_context(|| format!("{} cannot be written", path.display()))?;
    if file.try_lock().is_err() {
        bail!(
            "another standalone runs on {}: stop it, or choose another --data",
            data.display()
        );
    }
    Ok(file)
}

/// Makes a folder that only its owner may enter, if it is not there.
pub(super) fn make_folder(folder: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("{} cannot be created", folder.display()))
}

/// Where the server of a folder listens.
pub(super) fn socket(folder: &Path) -> PathBuf {
    folder.join("redis.sock")
}

/// Whether the operating system can listen there.
pub(super) fn check_socket_path(folder: &Path) -> anyhow::Result<()> {
    let socket = socket(folder);
    ensure!(
        socket.as_os_str().len() <= MAX_SOCKET_PATH,
        "{} is too long for a socket's path: choose a --data of at most {} bytes",
        socket.display(),
        MAX_SOCKET_PATH - "/payment/redis.sock".len(),
    );
    Ok(())
}

/// Ends a redis-server that a standalone left behind when it was killed. Two on one append-only file would
/// ruin it.
pub(super) async fn end_leftover(folder: &Path) -> anyhow::Result<()> {
    let socket = socket(folder);
    if ping(&socket).await != PingAnswer::Nothing {
        tracing::warn!(socket = %socket.display(), "ending a redis-server that was left behind");
        let _ = ask(&socket, "SHUTDOWN").await;
    }
    let started = Instant::now();
    while is_server_of(folder) {
        ensure!(
            started.elapsed() < LEFTOVER_PATIENCE,
            "a redis-server that was left behind in {} does not end",
            folder.display()
        );
        sleep(POLL).await;
    }
    Ok(())
}

/// Whether the process that the pid file names is still the server of this folder: its title has the
/// socket's path.
fn is_server_of(folder: &Path) -> bool {
    let Ok(pid) = fs::read_to_string(folder.join("redis.pid")) else {
        return false;
    };
    let title = fs::read(format!("/proc/{}/cmdline", pid.trim())).unwrap_or_default();
    let title = String::from_utf8_lossy(&title);
    title.contains("redis-server") && title.contains(&*socket(folder).to_string_lossy())
}
