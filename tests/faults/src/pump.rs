//! One connection over a wire: what becomes of the bytes in each direction.

use std::{net::SocketAddr, pin::pin};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use super::{
    duplicate::{Requests, again},
    fault::Trouble,
    wire::Line,
};

const BUFFER: usize = 64 * 1024;

/// Carries bytes between a client and a server, until one of them closes or the wire breaks the connection.
pub(crate) async fn relay(client: TcpStream, server_address: SocketAddr, mut line: Line) {
    let is_cut = |trouble: Option<Trouble>| trouble == Some(Trouble::Cut);
    if is_cut(line.trouble()) {
        return;
    }
    let Ok(server) = TcpStream::connect(server_address).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (client_reader, client_writer) = client.into_split();
    let (server_reader, server_writer) = server.into_split();
    // What has been read is delivered even if the client has gone away: its task goes on by itself.
    let mut requests = tokio::spawn(pump_requests(
        client_reader,
        server_writer,
        server_address,
        line.clone(),
    ));
    let mut replies = pin!(pump_replies(server_reader, client_writer, line.clone()));
    let ended = async {
        tokio::select! {
            end = &mut requests => if matches!(end, Ok(End::Unheard)) { replies.await; },
            end = &mut replies => if end == End::Unheard { let _ = requests.await; },
        }
    };
    tokio::select! {
        () = ended => {}
        _ = line.until(is_cut) => {}
    }
}

/// How a direction of a connection ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Both sides hear of it.
    Heard,
    /// What was sent before is lost, and so is this: the other side knows nothing until it closes by itself.
    Unheard,
}

async fn pump_requests(
    mut client: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    server_address: SocketAddr,
    mut line: Line,
) -> End {
    let mut buffer = vec![0; BUFFER];
    let mut requests = Requests::default();
    let mut lost = false;
    loop {
        let read = tokio::select! {
            read = client.read(&mut buffer) => read,
            () = line.until_requests_close() => {
                let _ = server.shutdown().await;
                // Answers may still pass until that is over, too.
                line.until(|trouble| trouble != Some(Trouble::HalfCloseRequests)).await;
                return End::Heard;
            }
        };
        let Ok(length @ 1..) = read else { break };
        let trouble = line.pass().await;
        lost |= line.is_silent() || matches!(trouble, Some(Trouble::LoseBigRequests(most)) if length > most);
        if lost {
            continue;
        }
        let whole = requests.take(&buffer[..length]);
        if trouble == Some(Trouble::Duplicate) {
            for request in whole {
                tokio::spawn(again(server_address, request));
            }
        }
        if server.write_all(&buffer[..length]).await.is_err() {
            return End::Heard;
        }
    }
    end(lost || line.is_silent(), server)
}

async fn pump_replies(mut server: OwnedReadHalf, mut client: OwnedWriteHalf, mut line: Line) -> End {
    let mut buffer = vec![0; BUFFER];
    let mut lost = false;
    while let Ok(length @ 1..) = server.read(&mut buffer).await {
        let trouble = line.pass().await;
        lost |= line.is_silent() || matches!(trouble, Some(Trouble::LoseBigReplies(most)) if length > most);
        if lost {
            continue;
        }
        match trouble {
            Some(Trouble::DropReplies) => return End::Heard,
            Some(Trouble::HalfCloseReplies) => {
                let _ = client.shutdown().await;
                // Requests still pass, and their answers go nowhere.
                while matches!(server.read(&mut buffer).await, Ok(1..)) {}
                return End::Heard;
            }
            _ => {}
        }
        if client.write_all(&buffer[..length]).await.is_err() {
            return End::Heard;
        }
    }
    end(lost || line.is_silent(), client)
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
