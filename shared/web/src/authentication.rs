//! Who calls. A handler names what it needs in its signature, and the document says the same:
//!
//! ```ignore
//! async fn create(&self, caller: Caller<needs::OrdersWrite>, order: JsonBody<NewOrder>) -> Answer<..>
//! ```
//!
//! Its catalogue lists [`UNAUTHENTICATED`] and [`FORBIDDEN`]. That the credentials are too old is [`UNAVAILABLE`], which every
//! operation lists.
//!
//! Sources: RFC 6750 (the header and its challenges), RFC 9110, 11.6.1.

use std::{marker::PhantomData, ops::Deref};

use poem::{
    Endpoint, EndpointExt, Request, RequestBody,
    http::{HeaderValue, header::AUTHORIZATION},
};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaSecurityScheme, Registry},
};
use principals::{Principal, Refused, Scope, Unauthenticated, Verifier, needs::Needs};

use crate::{FORBIDDEN, Problem, UNAUTHENTICATED, UNAVAILABLE};

/// The security scheme's name in documents.
pub(crate) const SCHEME: &str = "bearer";

const CHALLENGE: &str = r#"Bearer realm="holdfast""#;

/// Whoever calls, known, and allowed what `N` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller<N> {
    principal: Principal,
    needs: PhantomData<fn() -> N>,
}

impl<N> Caller<N> {
    /// Who it is.
    #[must_use]
    pub fn into_principal(self) -> Principal {
        self.principal
    }
}

impl<N> Deref for Caller<N> {
    type Target = Principal;

    fn deref(&self) -> &Principal {
        &self.principal
    }
}

/// Lets the operations of an endpoint know their callers by `verifier`. Without one, nobody is known there.
pub fn authenticate<E: Endpoint>(endpoint: E, verifier: Option<Verifier>) -> impl Endpoint<Output = E::Output> {
    endpoint.data(verifier)
}

impl<'a, N: Needs> ApiExtractor<'a> for Caller<N> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        registry.create_security_scheme(SCHEME, scheme());
    }

    fn security_schemes() -> Vec<&'static str> {
        // A document may give scopes to OAuth alone, so the scope travels as the scheme's name until the document is amended.
        vec![N::SCOPE.map_or(SCHEME, Scope::as_str)]
    }

    async fn from_request(request: &'a Request, _: &mut RequestBody, _: ExtractParamOptions<()>) -> poem::Result<Self> {
        let principal = admit(request, N::SCOPE)?;
        Ok(Self {
            principal,
            needs: PhantomData,
        })
    }
}

fn scheme() -> MetaSecurityScheme {
    MetaSecurityScheme {
        ty: "http",
        description: Some(
            "An access token of a user, as `POST /v1/sessions` gives it, or an API key: `Authorization: Bearer <token>`.",
        ),
        name: None,
        key_in: None,
        scheme: Some("bearer"),
        bearer_format: Some("JWT or hf_sk_<key id>_<secret>"),
        flows: None,
        openid_connect_url: None,
    }
}

/// Who sends this request, if that principal may do `scope`. Logs what is found, without what was presented.
fn admit(request: &Request, scope: Option<Scope>) -> Result<Principal, Problem> {
    let verifier = request.extensions().get::<Option<Verifier>>().and_then(Option::as_ref);
    let principal = presented(request)
        .map_err(Refused::from)
        .and_then(|presented| verifier.ok_or(Refused::Stale)?.authenticate(presented))
        .map_err(|refused| {
            tracing::warn!(reason = ?refused, "a caller is not known");
            refusal(&refused)
        })?;
    match scope {
        Some(scope) if !principal.may(scope) => {
            tracing::warn!(%principal, %scope, "a caller lacks a scope");
            Err(lacking(scope))
        }
        _ => {
            tracing::info!(%principal, "a caller is known");
            Ok(principal)
        }
    }
}

/// The token in the header.
fn presented(request: &Request) -> Result<&str, Unauthenticated> {
    let mut headers = request.headers().get_all(AUTHORIZATION).iter();
    // Of two, a gateway may have checked the other one.
    let (Some(header), None) = (headers.next(), headers.next()) else {
        return Err(Unauthenticated::Nothing);
    };
    let header = header.to_str().map_err(|_| Unauthenticated::Nothing)?;
    match header.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() => Ok(token.trim()),
        _ => Err(Unauthenticated::Nothing),
    }
}

fn refusal(refused: &Refused) -> Problem {
    let told = refused.to_string();
    match refused {
        Refused::Stale => Problem::new(&UNAVAILABLE, told),
        Refused::Unauthenticated(Unauthenticated::Nothing) => Problem {
            challenge: Some(HeaderValue::from_static(CHALLENGE)),
            ..Problem::new(&UNAUTHENTICATED, told)
        },
        Refused::Unauthenticated(_) => Problem {
            challenge: HeaderValue::from_str(&format!(
                r#"{CHALLENGE}, error="invalid_token", error_description="{told}""#
            ))
            .ok(),
            ..Problem::new(&UNAUTHENTICATED, told)
        },
    }
}

/// The problem of whoever would need a scope to do this.
#[must_use]
pub fn lacking(scope: Scope) -> Problem {
    let challenge = format!(r#"{CHALLENGE}, error="insufficient_scope", scope="{scope}""#);
    Problem {
        challenge: HeaderValue::from_str(&challenge).ok(),
        required_scope: Some(scope),
        ..Problem::new(&FORBIDDEN, format!("this needs the scope {scope}"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::KeyId;
    use principals::{ApiKey, ApiKeyEntry, Credentials, CredentialsDocument, Publisher};
    use tokio::time::Instant;

    use super::*;

    /// A key that may read orders, and who knows it.
    fn known() -> (ApiKey, Publisher, Verifier) {
        let key = ApiKey::generate(KeyId::numbered(1));
        let entry = ApiKeyEntry {
            key_id: key.key_id().clone(),
            hash: key.hash(),
            scopes: [Scope::OrdersRead].into_iter().collect(),
        };
        let document = CredentialsDocument {
            api_keys: vec![entry],
            ..CredentialsDocument::default()
        };
        let credentials = Credentials::try_from(document).expect("credentials");
        let (publisher, verifier) = Verifier::new();
        publisher.publish(Arc::new(credentials), Instant::now());
        (key, publisher, verifier)
    }

    fn request(verifier: Option<Verifier>, headers: &[&str]) -> Request {
        let mut builder = Request::builder();
        for header in headers {
            builder = builder.header("Authorization", *header);
        }
        let mut request = builder.finish();
        request.set_data(verifier);
        request
    }

    #[test]
    fn whoever_has_the_scope_is_admitted() {
        let (key, _publisher, verifier) = known();
        for scheme in ["Bearer", "bearer", "BEARER"] {
            let request = request(Some(verifier.clone()), &[&format!("{scheme} {}", key.reveal())]);
            let principal = admit(&request, Some(Scope::OrdersRead)).expect("a principal");
            assert_eq!(principal.to_string(), "key:1");
        }
    }

    #[test]
    fn whoever_is_unknown_is_told_how_to_authenticate_and_not_what_was_presented() {
        let (_, _publisher, verifier) = known();
        for headers in [
            &[][..],
            &["Basic aGk="],
            &["Bearer"],
            &["Bearer "],
            &["Bearer a", "Bearer b"],
        ] {
            let answer = admit(&request(Some(verifier.clone()), headers), None).expect_err("a refusal");
            let answer = answer.answer("/");
            assert_eq!(answer.status(), 401);
            assert_eq!(answer.header("WWW-Authenticate"), Some(CHALLENGE));
        }
        let wrong = admit(&request(Some(verifier), &["Bearer hunter2"]), None).expect_err("a refusal");
        let answer = wrong.answer("/");
        let challenge = answer.header("WWW-Authenticate").expect("a challenge");
        assert!(challenge.contains(r#"error="invalid_token""#) && !challenge.contains("hunter2"));
        assert!(!wrong.detail.contains("hunter2"));
    }

    #[tokio::test]
    async fn whoever_lacks_a_scope_is_told_which() {
        let (key, _publisher, verifier) = known();
        let request = request(Some(verifier), &[&format!("Bearer {}", key.reveal())]);
        let answer = admit(&request, Some(Scope::OrdersWrite))
            .expect_err("a refusal")
            .answer("/");
        assert_eq!(answer.status(), 403);
        let challenge = answer.header("WWW-Authenticate").expect("a challenge");
        assert!(challenge.contains(r#"scope="orders:write""#), "{challenge}");
        let body = answer.into_body().into_string().await.expect("a body");
        assert!(body.contains(r#""required_scope":"orders:write""#), "{body}");
    }

    #[test]
    fn nobody_is_admitted_while_identity_has_not_been_heard_of() {
        let key = ApiKey::generate(KeyId::numbered(1));
        let (_publisher, verifier) = Verifier::new();
        for verifier in [Some(verifier), None] {
            let request = request(verifier, &[&format!("Bearer {}", key.reveal())]);
            let refused = admit(&request, None).expect_err("a refusal");
            assert_eq!(refused.kind, &UNAVAILABLE);
        }
    }
}
