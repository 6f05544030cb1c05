//! A TCP proxy between two parts that can be put in trouble for a while.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

use super::schedule::Trouble;
use crate::unused_address;

const BUFFER: usize = 64 * 1024;
/// A duplicate arrives so much later.
const LATER: Duration = Duration::from_millis(150);

/// The proxy. It ends with the value.
pub(super) struct Wire {
    address: SocketAddr,
    trouble: watch::Sender<Option<Trouble>>,
}

impl Wire {
    /// Starts a wire to `server`.
    ///
    /// # Panics
    /// Where it cannot listen.
    pub(super) async fn start(server: SocketAddr) -> Self {
        let address = unused_address();
        let listener = TcpListener::bind(address).await.expect("an unused address");
        let (trouble, watching) = watch::channel(None);
        tokio::spawn(async move {
            let mut gone = watching.clone();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let Ok((client, _)) = accepted else { return };
                        tokio::spawn(relay(client, server, watching.clone()));
                    }
                    changed = gone.changed() => if changed.is_err() { return },
                }
            }
        });
        Self { address, trouble }
    }

    /// Where clients connect.
    #[must_use]
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Puts the wire in trouble, or ends its trouble.
    pub(super) fn set(&self, trouble: Option<Trouble>) {
        self.trouble.send_replace(trouble);
    }
}

type Watching = watch::Receiver<Option<Trouble>>;

async fn relay(client: TcpStream, server_address: SocketAddr, mut watching: Watching) {
    if *watching.borrow() == Some(Trouble::Cut) {
        return;
    }
    let Ok(server) = TcpStream::connect(server_address).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (client_reader, client_writer) = client.into_split();
    let (server_reader, server_writer) = server.into_split();
    let requests = pump_requests(client_reader, server_writer, server_address, watching.clone());
    let replies = pump_replies(server_reader, client_writer, watching.clone());
    tokio::select! {
        // What has been read is delivered even where the client has gone away: its task goes on by itself.
        _ = tokio::spawn(requests) => {}
        () = replies => {}
        // It fails where the wire is gone.
        _ = watching.wait_for(|trouble| *trouble == Some(Trouble::Cut)) => {}
    }
}

/// Waits for as long as nothing passes.
async fn pass(watching: &mut Watching) -> Option<Trouble> {
    let trouble = *watching
        .wait_for(|trouble| *trouble != Some(Trouble::Stall))
        .await
        .ok()?;
    if let Some(Trouble::Delay(delay)) = trouble {
        tokio::time::sleep(delay).await;
    }
    trouble
}

async fn pump_requests(
    mut client: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    server_address: SocketAddr,
    mut watching: Watching,
) {
    let mut buffer = vec![0; BUFFER];
    let mut requests = Requests::default();
    loop {
        let read = tokio::select! {
            read = client.read(&mut buffer) => read,
            () = until_closed(&mut watching) => {
                let _ = server.shutdown().await;
                // Answers may still pass until that is over, too.
                let _ = watching.wait_for(|trouble| *trouble != Some(Trouble::HalfCloseRequests)).await;
                return;
            }
        };
        let Ok(length @ 1..) = read else { return };
        let trouble = pass(&mut watching).await;
        let whole = requests.take(&buffer[..length]);
        if trouble == Some(Trouble::Duplicate) {
            for request in whole {
                tokio::spawn(again(server_address, request));
            }
        }
        if server.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

async fn until_closed(watching: &mut Watching) {
    let closed = |trouble: &Option<Trouble>| matches!(trouble, Some(Trouble::Cut | Trouble::HalfCloseRequests));
    // It fails where the wire is gone.
    let _ = watching.wait_for(closed).await;
}

async fn pump_replies(mut server: OwnedReadHalf, mut client: OwnedWriteHalf, mut watching: Watching) {
    let mut buffer = vec![0; BUFFER];
    loop {
        let Ok(length @ 1..) = server.read(&mut buffer).await else {
            return;
        };
        match pass(&mut watching).await {
            Some(Trouble::DropReplies) => return,
            Some(Trouble::HalfCloseReplies) => {
                let _ = client.shutdown().await;
                // Requests still pass, and their answers go nowhere.
                while matches!(server.read(&mut buffer).await, Ok(1..)) {}
                return;
            }
            _ => {}
        }
        if client.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

/// Makes the same request once more on a connection of its own. Nobody hears the answer.
async fn again(server: SocketAddr, request: Vec<u8>) {
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
struct Requests(Vec<u8>);

impl Requests {
    /// Takes more bytes, and gives the requests that are whole now.
    fn take(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        self.0.extend_from_slice(bytes);
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
