//! SIGTERM and Ctrl-C: what is being measured is dropped, so that its processes and its data go with it.

use anyhow::bail;
use tokio::signal::unix::{SignalKind, signal};

/// What the work gives.
///
/// # Errors
/// Those of the work, and that somebody asked this program to stop.
pub(crate) async fn unless_asked_to<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    tokio::select! {
        done = work => done,
        _ = terminated.recv() => bail!("stopped by SIGTERM"),
        _ = interrupted.recv() => bail!("stopped by Ctrl-C"),
    }
}
