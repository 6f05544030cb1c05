//! Both halves of the calls side by side: the participant's routes and the driver's senders, over real sockets.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use engine::EngineError;
use futures::future::join_all;
use poem::{Endpoint, EndpointExt, Route};
use process::Bound;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use web::AllowedOrigins;

use super::{super::replicas::tests::NameServer, *};
use crate::server::InternalRoutes;

const PATH: &str = "/internal/double";
const TIMEOUT: Duration = Duration::from_secs(1);
/// The call that takes for ever.
const SLOW: u32 = 0;
/// The call that breaks.
const BREAKS: u32 = 1_000_000;

/// Asks for twice a number.
#[derive(Serialize, Deserialize)]
struct Double(u32);

impl Request for Double {
    type Answer = u32;
    const PATH: &'static str = PATH;
}

async fn double(Double(call): Double) -> Result<u32, EngineError> {
    match call {
        SLOW => std::future::pending().await,
        BREAKS => unreachable!("on purpose"),
        call if call % 10 == 9 => Err(EngineError::Overloaded),
        call if call % 10 == 8 => Err(EngineError::Conflict),
        call => Ok(call * 2),
    }
}

fn doubled(call: u32) -> Result<u32, CallError> {
    match call % 10 {
        9 => Err(CallError::Overloaded),
        8 => Err(failed(EngineError::Conflict)),
        _ => Ok(call * 2),
    }
}

/// A participant that doubles numbers.
fn routes() -> Route {
    InternalRoutes::new((), Terms::default())
        .with(|(), call, _| double(call))
        .into_routes()
}

fn serve(at: SocketAddr, routes: impl Endpoint + 'static) -> (SocketAddr, DropGuard) {
    let socket = Bound::bind(at, false).expect("a free address");
    let (address, stop) = (socket.address(), CancellationToken::new());
    tokio::spawn(socket.serve(routes, AllowedOrigins::programs_only(), stop.clone()));
    (address, stop.drop_guard())
}

fn anywhere() -> SocketAddr {
    SocketAddr::new([127, 0, 0, 1].into(), 0)
}

fn calls_to(base: &str, said: &NameServer) -> Calls<Double> {
    let replicas = base.parse().expect("base URLs");
    let replicas = follow("stock", &replicas, said.clone(), Duration::from_millis(20));
    let how = How {
        timeout: TIMEOUT,
        terms: Terms::default(),
        tls: Arc::new(credentials::tls::trusting_nobody()),
    };
    let participant = Participant { replicas, how };
    participant.calls()
}

fn calls(address: SocketAddr) -> Calls<Double> {
    calls_to(&format!("http://{address}"), &NameServer::default())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_gets_its_own_reply() {
    let (address, _served) = serve(anywhere(), routes());
    let calls = calls(address);
    let numbers: Vec<u32> = (1..5_000).collect();
    let answers = join_all(numbers.iter().map(|number| calls.call(Double(*number)))).await;
    assert!(answers.into_iter().eq(numbers.into_iter().map(doubled)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_takes_too_long_or_breaks_fails_alone_and_holds_up_nobody() {
    let (address, _served) = serve(anywhere(), routes());
    let calls = calls(address);
    let begun = Instant::now();
    let slow = calls.call(Double(SLOW));
    let others = async {
        let answers = join_all((2..1_000).map(|number| calls.call(Double(number)))).await;
        assert!(answers.into_iter().eq((2..1_000).map(doubled)));
        assert_eq!(calls.call(Double(BREAKS)).await, Err(failed("the call broke")));
        // Those that come later as well.
        assert_eq!(calls.call(Double(11)).await, doubled(11));
        assert!(begun.elapsed() < TIMEOUT / 2, "{:?}", begun.elapsed());
    };
    let (slow, ()) = tokio::join!(slow, others);
    assert_eq!(slow, Err(failed("not done within the request's budget")));
    assert!(begun.elapsed() < TIMEOUT, "{:?}", begun.elapsed());
}

/// A participant that is there, and answers every request for calls with `head` and then `text`, for ever. It counts what it
/// got rid of.
async fn endless(head: &'static str, text: &'static [u8]) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(anywhere()).await.expect("a free address");
    let (address, sent) = (
        listener.local_addr().expect("an address"),
        Arc::new(AtomicUsize::new(0)),
    );
    let counted = sent.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let sent = counted.clone();
            tokio::spawn(async move {
                let mut request = [0; 16_384];
                while let Ok(length @ 1..) = stream.read(&mut request).await {
                    if request[..length].starts_with(b"GET") {
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
                        continue;
                    }
                    let _ = stream.write_all(head.as_bytes()).await;
                    while stream.write_all(text).await.is_ok() {
                        sent.fetch_add(text.len(), Ordering::Relaxed);
                    }
                }
            });
        }
    });
    (address, sent)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_end_is_cut_off() {
    const BODY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n";
    for (head, text) in [
        (BODY, &[b' '; 16_384][..]),
        (BODY, b"{\"index\":0,\"reply\":{\"done\":22}}\n"),
        (BODY, b"\n"),
        ("HTTP/1.1 200 OK\r\n", b"X-More: and more\r\n"),
        (
            "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 999999999999\r\n\r\n",
            &[b'x'; 16_384],
        ),
    ] {
        let (address, sent) = endless(head, text).await;
        let calls = calls(address);
        let begun = Instant::now();
        let answer = calls.call(Double(11)).await;
        let told = text.starts_with(b"{") && answer == Ok(22);
        assert!(told || matches!(answer, Err(CallError::Failed(_))), "{answer:?}");
        assert!(begun.elapsed() < TIMEOUT / 2, "{:?}", begun.elapsed());
        // What the sockets have room for is not read.
        let sent = sent.load(Ordering::Relaxed);
        assert!(sent < 32 * 1024 * 1024, "{sent}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_urls_path_is_kept_and_its_name_is_the_host() {
    let hosts = Arc::new(Mutex::new(BTreeSet::new()));
    let seen = hosts.clone();
    let routes = Route::new().nest("/shop/a", routes()).before(move |request| {
        let host = request.header("host").unwrap_or_default().to_owned();
        seen.lock().unwrap_or_else(PoisonError::into_inner).insert(host);
        async move { Ok(request) }
    });
    let (address, _served) = serve(anywhere(), routes);
    let said = NameServer::default();
    said.say("stock.shop", &["127.0.0.1"], address.port());
    let calls = calls_to(&format!("http://stock.shop:{}/shop/a/", address.port()), &said);
    assert_eq!(calls.call(Double(11)).await, Ok(22));
    let hosts = hosts.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert_eq!(hosts, BTreeSet::from([format!("stock.shop:{}", address.port())]));
}

/// Serves at an address, and counts the requests for calls.
fn counting(at: SocketAddr) -> (SocketAddr, DropGuard, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let routes = routes().before(move |request| {
        counted.fetch_add(usize::from(request.uri().path() == PATH), Ordering::Relaxed);
        async move { Ok(request) }
    });
    let (address, served) = serve(at, routes);
    (address, served, count)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_address_of_a_name_serves_and_they_come_and_go() {
    let (first, _first_served, first_count) = counting(anywhere());
    let second = SocketAddr::new([127, 0, 0, 2].into(), first.port());
    let (_, second_served, second_count) = counting(second);
    let said = NameServer::default();
    said.say("stock", &["127.0.0.1"], first.port());
    let calls = calls_to(&format!("http://stock:{}", first.port()), &said);
    let served_by = |count: &Arc<AtomicUsize>| count.swap(0, Ordering::Relaxed);
    let ask = async |times: usize| {
        for _ in 0..times {
            assert_eq!(calls.call(Double(11)).await, Ok(22));
        }
    };
    // Who is free is asked, and a replica is free a moment after its reply is there: they share, not evenly.
    let both_serve = async || {
        let _ = (served_by(&first_count), served_by(&second_count));
        let begun = Instant::now();
        while [&first_count, &second_count]
            .map(|count| count.load(Ordering::Relaxed))
            .into_iter()
            .min()
            < Some(5)
        {
            ask(1).await;
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "one of two replicas is hardly asked"
            );
        }
    };
    ask(20).await;
    assert_eq!((served_by(&first_count), served_by(&second_count)), (20, 0));

    // A second replica comes.
    said.say("stock", &["127.0.0.2", "127.0.0.1"], first.port());
    both_serve().await;

    // The name is not found for a while.
    said.forget("stock");
    let looks = said.looks();
    while said.looks() < looks + 3 {
        ask(2).await;
    }
    both_serve().await;

    // The first one goes: from the name's addresses, though it still answers.
    said.say("stock", &["127.0.0.2"], first.port());
    let begun = Instant::now();
    loop {
        let _ = served_by(&first_count);
        ask(4).await;
        if served_by(&first_count) == 0 {
            break;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "the first replica is still asked"
        );
    }
    drop(second_served);
}
