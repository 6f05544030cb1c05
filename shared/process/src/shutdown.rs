//! Stopping: one token that everything which runs for long listens to, and an end that nothing can put off.
//!
//! Whoever stops may be killed in the middle at any time: what was begun is taken over, as after a crash. So the orderly
//! end is a courtesy, and has a bound.

use std::{io, process::exit, sync::mpsc::channel, thread, time::Duration};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};
use tokio_util::sync::CancellationToken;

/// How long a process may take to stop, from the first signal to its end.
pub const STOP_WITHIN: Duration = Duration::from_millis(9_500);

/// How a process ends that did not stop in time: as one that failed.
const NOT_IN_TIME: i32 = 1;

/// How long last words may take. Whoever reads the log may hang as well.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// A token that is cancelled at the first SIGTERM or SIGINT. The second one ends the process at once, and so does
/// [`STOP_WITHIN`], whatever hangs: the runtime, a look-up of a name, or whoever reads the log.
///
/// # Errors
/// What the operating system said when the handlers could not be set.
pub fn on_signal() -> io::Result<CancellationToken> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    thread::spawn(move || {
        let mut signals = signals.forever();
        signals.next();
        thread::spawn(end_in_time);
        stopped.cancel();
        thread::spawn(|| tracing::info!("stopping"));
        if let Some(signal) = signals.next() {
            // As a shell reports a process that a signal has ended.
            end(128 + signal, || tracing::warn!("ending at once"));
        }
    });
    Ok(stop)
}

fn end_in_time() {
    thread::sleep(STOP_WITHIN);
    end(NOT_IN_TIME, || {
        tracing::error!(
            seconds = STOP_WITHIN.as_secs_f64(),
            "what is left does not end; it is taken over as after a crash"
        );
    });
}

/// Ends the process, after its last words if they can be said.
fn end(code: i32, last_words: impl FnOnce() + Send + 'static) {
    let (said, heard) = channel();
    thread::spawn(move || {
        last_words();
        // Nobody hears it if it took too long.
        let _ = said.send(());
    });
    let _ = heard.recv_timeout(LAST_WORDS);
    exit(code);
}
