//! One connection: what becomes of the bytes in each direction.

use std::{future::pending, net::SocketAddr, pin::pin, sync::Arc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use super::{
    duplicate::{Requests, again},
    exchange::{Armed, Delayed, Exchange, Fault, Reply, Request},
    line::{Line, Trouble},
    lock,
};

const BUFFER: usize = 64 * 1024;

/// Carries bytes between a client and a server, until one of them closes or the proxy breaks the connection.
pub(super) async fn relay(client: TcpStream, server_address: SocketAddr, mut line: Line, armed: Arc<Armed>) {
    if line.is_cut() {
        return;
    }
    let Ok(server) = TcpStream::connect(server_address).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (client_reader, client_writer) = client.into_split();
    let (server_reader, server_writer) = server.into_split();
    let exchange = Arc::new(Exchange::default());
    let requests = Requesting {
        line: line.clone(),
        armed: armed.clone(),
        exchange: exchange.clone(),
        server_address,
    };
    // What has been read is delivered even if the client has gone away: its task goes on by itself.
    let mut requests = tokio::spawn(requests.pump(client_reader, server_writer));
    let mut replies = pin!(pump_replies(
        server_reader,
        client_writer,
        line.clone(),
        &armed,
        &exchange
    ));
    let ended = async {
        tokio::select! {
            end = &mut requests => if matches!(end, Ok(End::Unheard)) { replies.await; },
            end = &mut replies => match end {
                End::Heard => {}
                End::Unheard => { let _ = requests.await; }
                End::Broken => requests.abort(),
            },
        }
    };
    tokio::select! {
        () = ended => {}
        () = line.until_cut() => {}
    }
}

/// How a direction of a connection ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Both sides hear of it.
    Heard,
    /// The other direction goes on, and its side knows nothing until it closes by itself.
    Unheard,
    /// The connection breaks at once, in both directions.
    Broken,
}

/// The direction to the server.
struct Requesting {
    line: Line,
    armed: Arc<Armed>,
    exchange: Arc<Exchange>,
    server_address: SocketAddr,
}

impl Requesting {
    async fn pump(mut self, mut client: OwnedReadHalf, mut server: OwnedWriteHalf) -> End {
        let mut buffer = vec![0; BUFFER];
        let mut requests = Requests::default();
        let mut lost = false;
        loop {
            let read = tokio::select! {
                read = client.read(&mut buffer) => read,
                () = self.line.until_requests_close() => {
                    let _ = server.shutdown().await;
                    // Answers may still pass until that is over, too.
                    self.line.until(|trouble| trouble != Some(Trouble::HalfCloseRequests)).await;
                    return End::Heard;
                }
            };
            let Ok(length @ 1..) = read else { break };
            let bytes = &buffer[..length];
            let trouble = self.line.pass().await;
            if let Some(Trouble::DelayRequests(delay)) = trouble {
                tokio::time::sleep(delay).await;
            }
            lost |= self.line.is_silent() || matches!(trouble, Some(Trouble::LoseBigRequests(max)) if length > max);
            if lost {
                continue;
            }
            match self.exchange.request(bytes, &self.armed) {
                Request::Passes => {}
                Request::IsForbidden => return End::Broken,
                Request::IsKeptBack(fault) => return self.keep_back(fault, bytes, client, server).await,
            }
            let whole = requests.take(bytes);
            if trouble == Some(Trouble::Duplicate) {
                for request in whole {
                    tokio::spawn(again(self.server_address, request));
                }
            }
            if server.write_all(bytes).await.is_err() {
                return End::Heard;
            }
        }
        end(lost || self.line.is_silent(), server)
    }

    /// The end of a direction whose request does not pass.
    async fn keep_back(&mut self, fault: Fault, bytes: &[u8], client: OwnedReadHalf, server: OwnedWriteHalf) -> End {
        if matches!(fault, Fault::DelayRequest | Fault::HoldRequest) {
            *lock(&self.armed.delayed) = Some(Delayed {
                server,
                request: bytes.to_vec(),
                exchange: self.exchange.clone(),
            });
            self.armed.struck.add_permits(1);
            if fault == Fault::HoldRequest {
                self.line.until_cut().await;
            }
            drop(client);
            return End::Unheard;
        }
        self.armed.struck.add_permits(1);
        if fault == Fault::StallRequest {
            self.line.until_cut().await;
        }
        drop((client, server));
        End::Broken
    }
}

async fn pump_replies(
    mut server: OwnedReadHalf,
    client: OwnedWriteHalf,
    mut line: Line,
    armed: &Armed,
    exchange: &Exchange,
) -> End {
    let mut client = Some(client);
    let mut buffer = vec![0; BUFFER];
    let mut lost = false;
    loop {
        let read = tokio::select! {
            read = server.read(&mut buffer) => read,
            fault = exchange.kept_back(), if client.is_some() => {
                if fault == Some(Fault::DelayRequest) {
                    client = None;
                }
                continue;
            }
        };
        let Ok(length @ 1..) = read else { break };
        let trouble = line.pass().await;
        lost |= line.is_silent() || matches!(trouble, Some(Trouble::LoseBigReplies(max)) if length > max);
        if lost {
            continue;
        }
        match trouble {
            Some(Trouble::DropReplies) => return End::Heard,
            Some(Trouble::HalfCloseReplies) => {
                if let Some(client) = &mut client {
                    let _ = client.shutdown().await;
                }
                // Requests still pass, and their answers go nowhere.
                while matches!(server.read(&mut buffer).await, Ok(1..)) {}
                return End::Heard;
            }
            _ => {}
        }
        match exchange.reply(&buffer[..length]) {
            Reply::Passes => {
                if let Some(client) = &mut client
                    && client.write_all(&buffer[..length]).await.is_err()
                {
                    return End::Heard;
                }
            }
            Reply::IsKeptBack => {}
            Reply::Strikes(fault) => {
                armed.struck.add_permits(1);
                if fault == Fault::StallReply {
                    pending::<()>().await;
                }
                return End::Broken;
            }
        }
    }
    if matches!(exchange.fault(), Some(Fault::StallRequest | Fault::HoldRequest)) {
        // The client waits, whatever the server does.
        pending::<()>().await;
    }
    match client {
        Some(client) => end(lost || line.is_silent(), client),
        None => End::Heard,
    }
}

/// The end of a direction whose sender has closed it.
fn end(lost: bool, receiver: OwnedWriteHalf) -> End {
    if lost {
        // Without telling the other side.
        receiver.forget();
        End::Unheard
    } else {
        End::Heard
    }
}
