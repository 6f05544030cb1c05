//! What no service has to look at: requests whose address or head is too large, and those that come while the service
//! stops.

use poem::{Request, http::header::HeaderMap};
use tokio_util::sync::CancellationToken;

use super::origin::{Admitted, AllowedOrigins};
use crate::problem::{HEAD_TOO_LARGE, Problem, UNAVAILABLE, URI_TOO_LONG};

/// How long a request's path and query may be, in bytes. No call needs a tenth of it. Above 65,534 hyper itself answers
/// 414, without a body, before we see the request.
const MAX_URI: usize = 8 * 1024;
/// How large a request's header may be, names and values, in bytes. Above 100 fields, and above what it keeps of a head, hyper
/// itself answers 431, likewise.
const MAX_HEADER: usize = 16 * 1024;

/// What goes on being answered while the service stops: whoever asks is told that it does.
const ANSWERED_TO_THE_END: [&str; 2] = ["/health/", "/metrics"];

/// What a request has to pass before its service sees it.
pub(super) struct Guard {
    pub(super) origins: AllowedOrigins,
    pub(super) stop: CancellationToken,
}

impl Guard {
    /// Who asks.
    ///
    /// # Errors
    /// The refusal.
    pub(super) fn admit(&self, request: &Request) -> Result<Admitted, Problem> {
        let uri = request.original_uri();
        let length = uri.path_and_query().map_or(0, |asked| asked.as_str().len());
        if length > MAX_URI {
            let detail = format!("the path and query have {length} bytes; allowed are {MAX_URI}");
            return Err(Problem::new(&URI_TOO_LONG, detail));
        }
        let size = size(request.headers());
        if size > MAX_HEADER {
            let detail = format!("the header has {size} bytes; allowed are {MAX_HEADER}");
            return Err(Problem::new(&HEAD_TOO_LARGE, detail));
        }
        let admitted = self.origins.admit(request)?;
        if self.stop.is_cancelled() && !ANSWERED_TO_THE_END.iter().any(|path| uri.path().starts_with(path)) {
            return Err(Problem::new(&UNAVAILABLE, "the service is stopping"));
        }
        Ok(admitted)
    }
}

fn size(headers: &HeaderMap) -> usize {
    headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum()
}
