//! Sets this process's clock off, to rehearse what happens then without touching the machine's clock. Only tests are
//! built with this.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

/// How far the clock is set off, in milliseconds. Nothing but [`follow`] changes it.
static OFFSET_MILLIS: AtomicI64 = AtomicI64::new(0);

/// How far the clock is set off now, in milliseconds.
pub(crate) fn offset_millis() -> i64 {
    OFFSET_MILLIS.load(Ordering::Relaxed)
}

/// Sets the clock off by as many milliseconds as the file says, and again whenever it says something else.
pub async fn follow(file: PathBuf) {
    const LOOK: Duration = Duration::from_millis(50);
    loop {
        let text = tokio::fs::read_to_string(&file).await.unwrap_or_default();
        if let Ok(offset) = text.trim().parse() {
            let before = OFFSET_MILLIS.swap(offset, Ordering::Relaxed);
            if before != offset {
                tracing::warn!(before, offset, "this process's clock was set off, in milliseconds");
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}
