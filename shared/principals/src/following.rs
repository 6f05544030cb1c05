//! Asking identity for the credentials, again and again.
//!
//! A service asks every second, and whichever of identity's replicas answers. What it gets is as old as identity says, and older by the
//! time that the answer took. While nobody answers, the credentials grow old, until the [`Verifier`](crate::Verifier) trusts
//! them no more.

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use credentials::tls::trusting_nobody;
use domain::{ServiceName, Timestamp};
use metrics::gauge;
use reqwest::{Client, Response, StatusCode, Url, header};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    BadKey, CREDENTIALS_AGE_HEADER, CREDENTIALS_PATH, Credentials, CredentialsDocument, MAX_CREDENTIALS_AGE, Publisher,
    ServiceSigner, TokenError,
};

/// How often identity is asked.
const EVERY: Duration = Duration::from_secs(1);
/// How soon another replica is asked if one does not answer.
const AFTER_FAILURE: Duration = Duration::from_millis(200);
/// How long an answer may take: of three tries in a row, one may fail.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// How large an answer may be: some ten thousand API keys.
const MAX_ANSWER_BYTES: usize = 8 * 1_024 * 1_024;

/// Identity's internal base URLs, separated by commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityUrls(Arc<[Url]>);

/// The text is not a list of base URLs. It is not repeated: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("identity's URLs are http:// base URLs without a user name, a path or a query, separated by commas")]
pub struct BadIdentityUrls;

impl FromStr for IdentityUrls {
    type Err = BadIdentityUrls;

    fn from_str(text: &str) -> Result<Self, BadIdentityUrls> {
        let base_url = |text: &str| {
            let url = Url::parse(text.trim()).map_err(|_| BadIdentityUrls)?;
            let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
            let has_no_user = url.username().is_empty() && url.password().is_none();
            let is_ours = url.scheme() == "http" && url.has_host() && is_bare && has_no_user;
            is_ours.then_some(url).ok_or(BadIdentityUrls)
        };
        text.split(',').map(base_url).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for IdentityUrls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls: Vec<&str> = self.0.iter().map(Url::as_str).collect();
        formatter.write_str(&urls.join(","))
    }
}

/// Identity was asked, and there are no new credentials.
#[derive(Debug, thiserror::Error)]
pub enum FollowingError {
    /// No answer, or one that is none.
    #[error("identity does not answer: {0}")]
    Http(#[from] reqwest::Error),
    /// It refuses.
    #[error("identity answers {0}")]
    Status(StatusCode),
    /// The answer is larger than any should be.
    #[error("identity's answer has more than {MAX_ANSWER_BYTES} bytes")]
    TooLarge,
    /// It does not say when its answer was true.
    #[error("identity's answer does not say how old it is")]
    NoAge,
    /// The answer is something else.
    #[error("identity's answer is not understood: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// One of its keys is none.
    #[error("identity's answer is not understood: {0}")]
    NoKey(#[from] BadKey),
    /// This service cannot say who it is.
    #[error("no service token can be made: {0}")]
    Token(#[from] TokenError),
}

/// What one service asks identity.
pub struct Following {
    urls: IdentityUrls,
    client: Client,
    signer: Option<Arc<ServiceSigner>>,
    publisher: Publisher,
    /// What was last answered, and the tag that says whether it has changed.
    last: Option<(header::HeaderValue, Arc<Credentials>)>,
    as_of: Option<Instant>,
}

impl Following {
    /// Asks at these URLs, as the service that `signer` signs for, and tells `publisher`.
    ///
    /// # Errors
    /// No HTTP client can be made.
    pub fn new(
        urls: IdentityUrls,
        signer: Option<Arc<ServiceSigner>>,
        publisher: Publisher,
    ) -> Result<Self, FollowingError> {
        let client = Client::builder()
            // A proxy that the environment names is for the world outside.
            .no_proxy()
            .timeout(PATIENCE)
            .tls_backend_preconfigured(trusting_nobody())
            .build()?;
        Ok(Self {
            urls,
            client,
            signer,
            publisher,
            last: None,
            as_of: None,
        })
    }

    /// Asks until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let age = gauge!("holdfast_credentials_age_seconds");
        let started = Instant::now();
        for turn in 0.. {
            let asked = async {
                let asked = self.ask(turn).await;
                let pause = if asked.is_ok() { EVERY } else { AFTER_FAILURE };
                if let Err(error) = asked {
                    let age = self.as_of.unwrap_or(started).elapsed();
                    if age > MAX_CREDENTIALS_AGE {
                        tracing::warn!(%error, ?age, "the credentials are too old to be trusted");
                    } else {
                        tracing::debug!(%error, ?age, "no new credentials");
                    }
                }
                age.set(self.as_of.unwrap_or(started).elapsed().as_secs_f64());
                sleep(pause).await;
            };
            if stop.run_until_cancelled(asked).await.is_none() {
                return;
            }
        }
    }

    /// Asks the replicas in turn.
    async fn ask(&mut self, turn: usize) -> Result<(), FollowingError> {
        let url = &self.urls.0[turn % self.urls.0.len()];
        let mut request = self
            .client
            .get(url.join(CREDENTIALS_PATH).unwrap_or_else(|_| url.clone()));
        if let Some(signer) = &self.signer {
            request = request.bearer_auth(signer.token(ServiceName::Identity, None, Timestamp::now())?);
        }
        if let Some((tag, _)) = &self.last {
            request = request.header(header::IF_NONE_MATCH, tag);
        }
        // What is answered was true after this.
        let asked = Instant::now();
        let response = request.send().await?;
        if !response.status().is_success() && response.status() != StatusCode::NOT_MODIFIED {
            return Err(FollowingError::Status(response.status()));
        }
        let header = |name: &str| response.headers().get(name).cloned();
        let age = header(CREDENTIALS_AGE_HEADER).and_then(|age| age.to_str().ok()?.parse().ok());
        let age = Duration::from_millis(age.ok_or(FollowingError::NoAge)?);
        let as_of = asked.checked_sub(age).ok_or(FollowingError::NoAge)?;
        let tag = header(header::ETAG.as_str());
        let credentials = match (response.status(), &self.last) {
            (StatusCode::NOT_MODIFIED, Some((_, known))) => known.clone(),
            (StatusCode::OK, _) => read(response).await?,
            (status, _) => return Err(FollowingError::Status(status)),
        };
        self.last = tag.map(|tag| (tag, credentials.clone()));
        self.publisher.publish(credentials, as_of);
        self.as_of = Some(as_of);
        Ok(())
    }
}

/// The credentials in an answer.
async fn read(mut response: Response) -> Result<Arc<Credentials>, FollowingError> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await? {
        if body.len() + piece.len() > MAX_ANSWER_BYTES {
            return Err(FollowingError::TooLarge);
        }
        body.extend_from_slice(&piece);
    }
    let document: CredentialsDocument = serde_json::from_slice(&body)?;
    Ok(Arc::new(Credentials::try_from(document)?))
}
