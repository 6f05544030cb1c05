//! What a redis-server says about itself, asked over its socket.

use std::path::Path;

use anyhow::{Context, ensure};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
};

/// Deletes the holds of finished sagas, and the index that remembers to delete them.
const FORGET_SAGAS: &str = "local count = 0 \
    for _, pattern in ipairs({'hold:*', 'inflight:*'}) do \
    local cursor = '0' \
    repeat \
    local found = redis.call('SCAN', cursor, 'MATCH', pattern, 'COUNT', 1000) \
    cursor = found[1] \
    for _, key in ipairs(found[2]) do count = count + redis.call('DEL', key) end \
    until cursor == '0' \
    end \
    return count";

/// A server's counters. The first three only grow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counters {
    pub(crate) commands: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    /// What its data takes in memory, in bytes.
    pub(crate) used_memory: u64,
    /// The operating system's number of the server.
    pub(crate) process: u32,
}

/// Reads the counters of the server at `socket`.
///
/// # Errors
/// If it does not answer as Redis does.
pub(crate) async fn counters(socket: &Path) -> anyhow::Result<Counters> {
    let info = ask(socket, &["INFO"]).await?;
    let field = |name: &str| -> anyhow::Result<u64> {
        let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        Ok(value.with_context(|| format!("no {name} in INFO"))?.trim().parse()?)
    };
    Ok(Counters {
        commands: field("total_commands_processed")?,
        bytes_in: field("total_net_input_bytes")?,
        bytes_out: field("total_net_output_bytes")?,
        used_memory: field("used_memory")?,
        process: u32::try_from(field("process_id")?)?,
    })
}

/// Leaves the server at `socket` with what it has when the grace time of finished sagas is over: without their holds.
/// Only for a system whose sagas are all finished, and that nobody uses any more. Returns how many keys went.
///
/// # Errors
/// As [`counters`].
pub(crate) async fn forget_sagas(socket: &Path) -> anyhow::Result<u64> {
    Ok(ask(socket, &["EVAL", FORGET_SAGAS, "0"]).await?.parse()?)
}

/// One command and its answer: a text or a whole number.
async fn ask(socket: &Path, words: &[&str]) -> anyhow::Result<String> {
    let stream = UnixStream::connect(socket)
        .await
        .with_context(|| format!("{} cannot be reached", socket.display()))?;
    let mut stream = BufReader::new(stream);
    let words_sent = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len()));
    let command: Vec<String> = [format!("*{}\r\n", words.len())]
        .into_iter()
        .chain(words_sent)
        .collect();
    stream.write_all(command.concat().as_bytes()).await?;
    let mut head = String::new();
    stream.read_line(&mut head).await?;
    let head = head.trim_end();
    if let Some(number) = head.strip_prefix(':') {
        return Ok(number.to_owned());
    }
    let length = head.strip_prefix('$').and_then(|length| length.parse().ok());
    ensure!(length.is_some(), "Redis answered {head:?}");
    let mut text = vec![0; length.unwrap_or_default()];
    stream.read_exact(&mut text).await?;
    Ok(String::from_utf8(text)?)
}
