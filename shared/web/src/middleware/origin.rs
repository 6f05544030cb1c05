//! Which web pages may call. Nothing authenticates callers, and a browser lets any page of any site send requests to
//! this machine: so a page that is not ours is refused, and a name that somebody else has pointed here is, too.
//!
//! - A page's request names its `Origin`. It has to be ours, as `Host` says it, or allowed by `ALLOWED_ORIGINS`. Programs
//!   send none.
//! - On loopback, `Host` has to be an address of this machine, or the host of an allowed origin. Otherwise a site
//!   whose name is changed to 127.0.0.1 after its page was loaded ("DNS rebinding") would pass for ours.
//! - Beyond loopback, whoever routes to us may have changed `Host`, so it is not compared. There a browser's own word
//!   counts: `Sec-Fetch-Site` tells a page of another site.
//!
//! Sources: the Fetch standard, <https://fetch.spec.whatwg.org/>; W3C Fetch Metadata.

use std::{net::IpAddr, str::FromStr, sync::Arc};

use poem::{
    Request, Response,
    http::{
        HeaderMap, HeaderValue, Method, StatusCode, Uri,
        header::{
            ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
            ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN, VARY,
        },
        uri::{Authority, Scheme},
    },
};

use crate::problem::{FOREIGN_ORIGIN, Problem};

/// The origins of the web pages that may call, besides our own: `https://shop.example`, separated by commas.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedOrigins {
    origins: Arc<[Uri]>,
    /// No page has any business here, not even one of our own: for ports that only services call.
    programs_only: bool,
}

/// The text is not a list of origins.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an origin: a scheme, a host and, unless it is the scheme's own, a port, as https://shop.example:8443"
)]
pub struct BadOrigin(String);

impl FromStr for AllowedOrigins {
    type Err = BadOrigin;

    fn from_str(text: &str) -> Result<Self, BadOrigin> {
        let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        let origins: Result<Vec<Uri>, BadOrigin> = words.map(origin).collect();
        Ok(Self {
            origins: origins?.into(),
            programs_only: false,
        })
    }
}

fn origin(word: &str) -> Result<Uri, BadOrigin> {
    let bad = || BadOrigin(word.to_owned());
    let uri: Uri = word.parse().map_err(|_| bad())?;
    let is_bare = matches!(uri.path(), "" | "/") && uri.query().is_none() && !word.ends_with('/');
    let has_no_user = uri
        .authority()
        .is_some_and(|authority| !authority.as_str().contains('@'));
    if matches!(uri.scheme_str(), Some("http" | "https")) && is_bare && has_no_user {
        Ok(uri)
    } else {
        Err(bad())
    }
}

impl AllowedOrigins {
    /// No page may call. Programs may, by whatever name they know this machine: a name that leads to loopback is one of an
    /// operator's, and pages are refused by their `Origin` anyway.
    #[must_use]
    pub fn programs_only() -> Self {
        Self {
            programs_only: true,
            ..Self::default()
        }
    }

    fn has(&self, origin: &HeaderValue) -> bool {
        let asked: Option<Uri> = origin.to_str().ok().and_then(|text| text.parse().ok());
        asked.is_some_and(|asked| {
            self.origins
                .iter()
                .any(|allowed| allowed.scheme() == asked.scheme() && allowed.authority() == asked.authority())
        })
    }

    fn has_host(&self, host: &str) -> bool {
        self.origins
            .iter()
            .filter_map(Uri::host)
            .any(|allowed| allowed.eq_ignore_ascii_case(host))
    }

    /// What becomes of a request.
    ///
    /// # Errors
    /// A [`FOREIGN_ORIGIN`] problem if a page asks that may not, or the request was meant for another host.
    pub(super) fn admit(&self, request: &Request) -> Result<Admitted, Problem> {
        let headers = request.headers();
        let authority = authority(request);
        let is_loopback = request
            .local_addr()
            .as_socket_addr()
            .is_some_and(|local| local.ip().is_loopback());
        if is_loopback
            && !self.programs_only
            && let Some(authority) = &authority
            && !is_this_machine(authority.host())
            && !self.has_host(authority.host())
        {
            let detail = format!("{authority} is not an address of this service");
            return Err(Problem::new(&FOREIGN_ORIGIN, detail));
        }
        let Some(origin) = headers.get(ORIGIN) else {
            return Ok(Admitted::Program);
        };
        if self.has(origin) {
            return Ok(Admitted::Page(origin.clone()));
        }
        let is_foreign = if self.programs_only {
            true
        } else if is_loopback {
            !is_own(origin, request.scheme(), authority.as_ref())
        } else {
            comes_from_another_site(headers)
        };
        if is_foreign {
            let origin = String::from_utf8_lossy(origin.as_bytes());
            let detail = format!("a page of {origin:?} may not call; ALLOWED_ORIGINS names those that may");
            return Err(Problem::new(&FOREIGN_ORIGIN, detail));
        }
        Ok(Admitted::Program)
    }
}

/// Who asks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admitted {
    /// A program, or a page of our own: it needs no leave to read the answer.
    Program,
    /// A page of this allowed origin.
    Page(HeaderValue),
}

impl Admitted {
    /// The answer to a browser that asks whether a page may send what it is about to send.
    pub(super) fn preflight(&self, request: &Request) -> Option<Response> {
        let is_preflight =
            request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        (is_preflight && matches!(self, Self::Page(_))).then(|| {
            Response::builder()
                .status(StatusCode::NO_CONTENT)
                .header(ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, POST")
                .header(
                    ACCESS_CONTROL_ALLOW_HEADERS,
                    "Authorization, Content-Type, Idempotency-Key, X-Correlation-ID",
                )
                .header(ACCESS_CONTROL_MAX_AGE, "3600")
                .finish()
        })
    }

    /// The answer, which the page may read.
    pub(super) fn allow(self, mut answer: Response) -> Response {
        if let Self::Page(origin) = self {
            let headers = answer.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(
                ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static("Allow, Retry-After, X-Correlation-ID"),
            );
            headers.append(VARY, HeaderValue::from_static("Origin"));
        }
        answer
    }
}

/// For whom the request was meant: RFC 9112, 3.2.2, lets a whole URI in the request's line go before `Host`.
fn authority(request: &Request) -> Option<Authority> {
    let named = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    request
        .original_uri()
        .authority()
        .cloned()
        .or_else(|| named.and_then(|host| host.parse().ok()))
}

/// Whether a page is one of ours: served as this request is, from the host that it is for.
fn is_own(origin: &HeaderValue, scheme: &Scheme, authority: Option<&Authority>) -> bool {
    let host = origin.to_str().ok().and_then(|text| text.strip_prefix(scheme.as_str()));
    let host = host.and_then(|text| text.strip_prefix("://"));
    authority.is_some_and(|authority| host.is_some_and(|host| authority.as_str().eq_ignore_ascii_case(host)))
}

/// Whether a host's name can only be this machine's: browsers resolve `localhost` by themselves.
fn is_this_machine(host: &str) -> bool {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    match address {
        Ok(address) => address.is_loopback(),
        Err(_) => name == "localhost" || name.ends_with(".localhost"),
    }
}

fn comes_from_another_site(headers: &HeaderMap) -> bool {
    headers
        .get("Sec-Fetch-Site")
        .is_some_and(|site| site == "cross-site" || site == "same-site")
}

#[cfg(test)]
mod tests;
