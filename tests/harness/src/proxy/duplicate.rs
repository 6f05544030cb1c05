//! HTTP requests that arrive twice.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A duplicate arrives so much later.
const LATER: Duration = Duration::from_millis(150);
const BUFFER: usize = 64 * 1024;
/// What a request to Redis begins with, and an HTTP request never.
const RESP_ARRAY: u8 = b'*';

/// Makes the same request once more on a connection of its own. Nobody hears the answer.
pub(super) async fn again(server: SocketAddr, request: Vec<u8>) {
    tokio::time::sleep(LATER).await;
    let Ok(mut server) = TcpStream::connect(server).await else {
        return;
    };
    if server.write_all(&request).await.is_ok() {
        let mut answer = vec![0; BUFFER];
        let _ = tokio::time::timeout(Duration::from_secs(5), server.read(&mut answer)).await;
    }
}

/// Tells HTTP/1.1 requests with a Content-Length apart.
#[derive(Default)]
pub(super) struct Requests(Vec<u8>);

impl Requests {
    /// Takes more bytes, and gives the requests that are whole now. Of what goes to Redis there are none.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        self.0.extend_from_slice(bytes);
        if self.0.first() == Some(&RESP_ARRAY) {
            self.0.clear();
        }
        let mut whole = Vec::new();
        while let Some(length) = self.whole() {
            whole.push(self.0.drain(..length).collect());
        }
        whole
    }

    fn whole(&self) -> Option<usize> {
        let head = self.0.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let text = String::from_utf8_lossy(&self.0[..head]).to_ascii_lowercase();
        let body: usize = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .map_or(Some(0), |length| length.trim().parse().ok())?;
        (self.0.len() >= head + body).then_some(head + body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_apart_in_pieces_of_any_size() {
        let text = b"POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\n\r\n";
        for size in 1..text.len() {
            let mut requests = Requests::default();
            let whole: Vec<Vec<u8>> = text.chunks(size).flat_map(|piece| requests.take(piece)).collect();
            assert_eq!(whole.len(), 2, "pieces of {size}");
            assert!(whole[0].ends_with(b"abc") && whole[1].starts_with(b"GET"));
        }
    }
}
