//! A word with a redis-server, also with one that still loads its data.

use std::{path::Path, time::Duration};

use engine::store::info_field;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::timeout,
};

/// How long an answer may take. A server that loads looks up from it every now and then.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest answer that is read.
const MAX_ANSWER_BYTES: u64 = 64 * 1_024;

/// What a server makes of PING.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PingAnswer {
    /// It serves.
    Ready,
    /// It is there, and does not serve yet.
    Loading,
    /// Nobody is there, or nobody answers.
    Nothing,
}

/// Asks whether the server serves.
pub(super) async fn ping(socket: &Path) -> PingAnswer {
    match ask(socket, "PING").await {
        Some(answer) if answer.starts_with("+PONG") => PingAnswer::Ready,
        Some(answer) if !answer.is_empty() => PingAnswer::Loading,
        _ => PingAnswer::Nothing,
    }
}

/// How far a server is that loads its data, in words.
pub(super) async fn loading_progress(socket: &Path) -> Option<String> {
    progress(&ask(socket, "INFO persistence").await?)
}

/// Sends one command and returns the answer, if one comes.
pub(super) async fn ask(socket: &Path, command: &str) -> Option<String> {
    let talk = async {
        let mut stream = UnixStream::connect(socket).await.ok()?;
        // After QUIT the server closes the connection, so the end of the answer is seen.
        stream
            .write_all(format!("{command}\r\nQUIT\r\n").as_bytes())
            .await
            .ok()?;
        let mut answer = Vec::new();
        stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer).await.ok()?;
        Some(String::from_utf8_lossy(&answer).into_owned())
    };
    timeout(PATIENCE, talk).await.ok()?
}

fn progress(info: &str) -> Option<String> {
    let percent = info_field(info, "loading_loaded_perc")?;
    let seconds = info_field(info, "loading_eta_seconds")?;
    Some(format!("{percent} % so far, about {seconds} s more"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_a_server_is_is_read_from_its_own_words() {
        let info =
            "$70\r\n# Persistence\r\nloading:1\r\nloading_loaded_perc:12.34\r\nloading_eta_seconds:56\r\n\r\n+OK\r\n";
        assert_eq!(progress(info).as_deref(), Some("12.34 % so far, about 56 s more"));
        assert_eq!(progress("# Persistence\r\nloading:0\r\n"), None);
    }
}
