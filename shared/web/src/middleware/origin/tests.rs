use std::net::SocketAddr;

use poem::{
    Addr,
    http::{self, uri::Scheme},
    web::{LocalAddr, RemoteAddr},
};

use super::*;

const LOOPBACK: &str = "127.0.0.1:8000";
const ANYWHERE: &str = "10.1.2.3:8000";

fn judged(local: &str, headers: &[(&str, &str)]) -> Result<Admitted, u16> {
    judged_over(&Scheme::HTTP, local, headers)
}

fn judged_over(scheme: &Scheme, local: &str, headers: &[(&str, &str)]) -> Result<Admitted, u16> {
    let allowed: AllowedOrigins = "https://shop.example, http://tool.example:3000"
        .parse()
        .expect("origins");
    let mut request = http::Request::post("/stock/add/a/1");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).expect("a request").into_parts();
    let local: SocketAddr = local.parse().expect("an address");
    let addresses = (LocalAddr(Addr::from(local)), RemoteAddr(Addr::from(local)));
    let request = Request::from_parts(
        (parts, addresses.0, addresses.1, scheme.clone()).into(),
        poem::Body::empty(),
    );
    allowed.admit(&request).map_err(|problem| problem.kind.status)
}

#[test]
fn on_loopback_a_page_that_is_not_ours_is_refused() {
    let host = ("Host", LOOPBACK);
    for foreign in [
        "http://evil.example",
        "null",
        "http://127.0.0.1:9000",
        "https://127.0.0.1:8000",
        "http://127.0.0.1",
        "file://",
        "",
        "https://shop.example.evil.example",
    ] {
        assert_eq!(judged(LOOPBACK, &[host, ("Origin", foreign)]), Err(403), "{foreign}");
    }
    assert_eq!(
        judged(LOOPBACK, &[("Origin", "http://127.0.0.1:8000")]),
        Err(403),
        "no host"
    );
    assert_eq!(judged(LOOPBACK, &[host]), Ok(Admitted::Program));
    assert_eq!(
        judged(LOOPBACK, &[host, ("Origin", "http://127.0.0.1:8000")]),
        Ok(Admitted::Program)
    );
    let localhost = ("Host", "LocalHost:8000");
    assert_eq!(
        judged(LOOPBACK, &[localhost, ("Origin", "http://localhost:8000")]),
        Ok(Admitted::Program)
    );
}

#[test]
fn on_loopback_our_own_pages_have_the_scheme_that_we_serve() {
    let host = ("Host", "127.0.0.1:8000");
    let origins = [
        ("Origin", "http://127.0.0.1:8000"),
        ("Origin", "https://127.0.0.1:8000"),
    ];
    let judged = |scheme, origin| judged_over(scheme, LOOPBACK, &[host, origin]);
    for (scheme, [own, foreign]) in [(&Scheme::HTTP, origins), (&Scheme::HTTPS, [origins[1], origins[0]])] {
        assert_eq!(judged(scheme, own), Ok(Admitted::Program));
        assert_eq!(judged(scheme, foreign), Err(403));
    }
}

#[test]
fn on_loopback_a_name_that_somebody_else_pointed_here_is_refused() {
    for foreign in [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "10.1.2.3:8000",
    ] {
        assert_eq!(judged(LOOPBACK, &[("Host", foreign)]), Err(403), "{foreign}");
        let origin = format!("http://{foreign}");
        assert_eq!(
            judged(LOOPBACK, &[("Host", foreign), ("Origin", &origin)]),
            Err(403),
            "{foreign}"
        );
    }
    for ours in [
        "127.0.0.1",
        "127.9.8.7:1",
        "[::1]:8000",
        "localhost",
        "api.localhost:80",
        "shop.example",
    ] {
        assert_eq!(judged(LOOPBACK, &[("Host", ours)]), Ok(Admitted::Program), "{ours}");
    }
    assert_eq!(judged(LOOPBACK, &[]), Ok(Admitted::Program), "HTTP/1.0 names none");
}

#[test]
fn behind_a_gateway_the_browsers_own_word_counts() {
    let host = ("Host", "stock");
    let page = ("Origin", "https://gateway.example");
    assert_eq!(judged(ANYWHERE, &[host, page]), Ok(Admitted::Program));
    let fetched = |site| [host, page, ("Sec-Fetch-Site", site)];
    assert_eq!(judged(ANYWHERE, &fetched("same-origin")), Ok(Admitted::Program));
    assert_eq!(judged(ANYWHERE, &fetched("cross-site")), Err(403));
    assert_eq!(judged(ANYWHERE, &fetched("same-site")), Err(403));
}

#[test]
fn a_page_of_an_allowed_origin_may_call_and_read() {
    for (local, host) in [(LOOPBACK, LOOPBACK), (ANYWHERE, "stock")] {
        for origin in ["https://shop.example", "http://tool.example:3000"] {
            let headers = [("Host", host), ("Origin", origin), ("Sec-Fetch-Site", "cross-site")];
            assert_eq!(
                judged(local, &headers),
                Ok(Admitted::Page(HeaderValue::from_str(origin).expect("a header")))
            );
        }
    }
}

#[test]
fn what_is_not_an_origin_is_refused() {
    for bad in [
        "*",
        "shop.example",
        "https://shop.example/",
        "https://shop.example/a",
        "ftp://a",
        "http://u@a",
    ] {
        assert_eq!(bad.parse::<AllowedOrigins>(), Err(BadOrigin(bad.to_owned())), "{bad}");
    }
    assert_eq!("".parse(), Ok(AllowedOrigins::default()));
}
