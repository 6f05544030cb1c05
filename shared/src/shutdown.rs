//! Stopping: one token that everything which runs for long listens to, and an end that nothing can put off.
//!
//! Whoever stops may be killed in the middle at any time: what was begun is taken over, as after a crash. So the orderly
//! end is a courtesy, and has a bound.

use std::{process::exit, thread, time::Duration};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How long a process may take to stop, from the first signal to its end.
pub const STOP_WITHIN: Duration = Duration::from_millis(9_500);

/// How a process ends that did not stop in time: as one that failed.
const NOT_IN_TIME: i32 = 1;

/// A token that is cancelled at the first SIGTERM or SIGINT. The second one ends the process at once, and so does
/// [`STOP_WITHIN`], whatever hangs.
///
/// # Errors
/// What the operating system said when the handlers could not be set.
pub fn on_signal() -> std::io::Result<CancellationToken> {
    let mut signals = Signals {
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
    };
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(async move {
        signals.next().await;
        tracing::info!("stopping");
        end_in_time();
        stopped.cancel();
        let kind = signals.next().await;
        tracing::warn!("ending at once");
        // As a shell reports a process that a signal has ended.
        exit(128 + kind.as_raw_value());
    });
    Ok(stop)
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    async fn next(&mut self) -> SignalKind {
        tokio::select! {
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.interrupt.recv() => SignalKind::interrupt(),
        }
    }
}

/// On a thread of its own: what hangs may be the runtime.
fn end_in_time() {
    thread::spawn(|| {
        thread::sleep(STOP_WITHIN);
        tracing::error!(
            seconds = STOP_WITHIN.as_secs_f64(),
            "what is left does not end; it is taken over as after a crash"
        );
        exit(NOT_IN_TIME);
    });
}
