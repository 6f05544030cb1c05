//! SIGTERM and Ctrl-C: what was begun is dropped, so that everything that it has started ends with it.

use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// Whether to stop.
pub type Stopped = watch::Receiver<bool>;

/// Listens on a thread of its own. The second signal ends this process at once.
///
/// # Panics
/// If the operating system refuses to tell of signals.
#[must_use]
pub fn on_a_signal() -> Stopped {
    const STOPPED: i32 = 130;
    let (stop, stopped) = watch::channel(false);
    std::thread::spawn(move || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let mut asked = signal(SignalKind::terminate()).expect("SIGTERM is heard");
            let mut interrupted = signal(SignalKind::interrupt()).expect("Ctrl-C is heard");
            loop {
                tokio::select! {
                    _ = asked.recv() => {}
                    _ = interrupted.recv() => {}
                }
                if stop.send_replace(true) {
                    std::process::exit(STOPPED);
                }
            }
        });
    });
    stopped
}

/// What the work gives, or nothing if it was to stop before.
pub async fn unless<T>(mut stopped: Stopped, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        done = work => Some(done),
        _ = stopped.wait_for(|stopped| *stopped) => None,
    }
}
