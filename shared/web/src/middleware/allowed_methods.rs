//! Which methods a path takes, for the answer to one that it does not take.
//!
//! Source: RFC 9110, 15.5.6: an answer 405 must name the methods that are allowed.

use std::sync::Arc;

use futures::TryFutureExt;
use poem::{Endpoint, Middleware, Request, http::StatusCode};
use serde_json::Value;

/// The methods that a path takes, as data of a 405 error; the request's scope writes the header.
#[derive(Clone)]
pub(super) struct AllowedMethods(pub(super) Arc<str>);

/// A documented path: its parts, `None` if any will do, and its methods.
struct Documented {
    parts: Vec<Option<String>>,
    methods: Arc<str>,
}

/// Adds [`AllowedMethods`] to the errors of what it wraps.
#[derive(Clone)]
pub struct Allow {
    paths: Arc<[Documented]>,
}

impl Allow {
    /// The paths and methods of an OpenAPI document.
    #[must_use]
    pub fn documented_in(document: &Value) -> Self {
        let paths = document["paths"].as_object().into_iter().flatten();
        let documented = paths.map(|(path, operations)| {
            let mut methods: Vec<String> = operations
                .as_object()
                .into_iter()
                .flat_map(|operations| operations.keys().map(|method| method.to_uppercase()))
                .collect();
            if let Some(get) = methods.iter().position(|method| method == "GET") {
                methods.insert(get + 1, "HEAD".into());
            }
            Documented {
                parts: path
                    .split('/')
                    .map(|part| (!part.starts_with('{')).then(|| part.to_owned()))
                    .collect(),
                methods: methods.join(", ").into(),
            }
        });
        Self {
            paths: documented.collect(),
        }
    }
}

impl Documented {
    fn is(&self, path: &str) -> bool {
        let mut asked = path.split('/');
        let alike = self.parts.iter().all(|part| {
            asked
                .next()
                .is_some_and(|asked| part.as_ref().is_none_or(|part| part == asked))
        });
        alike && asked.next().is_none()
    }
}

impl<E: Endpoint> Middleware<E> for Allow {
    type Output = AllowEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        AllowEndpoint {
            inner,
            paths: self.paths.clone(),
        }
    }
}

pub struct AllowEndpoint<E> {
    inner: E,
    paths: Arc<[Documented]>,
}

impl<E: Endpoint> Endpoint for AllowEndpoint<E> {
    type Output = E::Output;

    fn call(&self, request: Request) -> impl Future<Output = poem::Result<Self::Output>> + Send {
        let uri = request.uri().clone();
        self.inner.call(request).map_err(move |mut error| {
            if error.status() == StatusCode::METHOD_NOT_ALLOWED {
                let documented = self.paths.iter().find(|documented| documented.is(uri.path()));
                // What is not in the document is there to be read: health, metrics, the document itself.
                let methods = documented.map_or_else(|| "GET, HEAD".into(), |documented| documented.methods.clone());
                error.set_data(AllowedMethods(methods));
            }
            error
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_is_found_by_its_documented_form() {
        let document = json!({"paths": {"/a/{id}/b": {"post": {}}, "/a/c": {"get": {}, "delete": {}}}});
        let allow = Allow::documented_in(&document);
        let methods = |path| {
            let documented = allow.paths.iter().find(|documented| documented.is(path));
            documented.map(|documented| documented.methods.to_string())
        };
        assert_eq!(methods("/a/1/b").as_deref(), Some("POST"));
        assert_eq!(methods("/a/c").as_deref(), Some("DELETE, GET, HEAD"));
        assert_eq!(methods("/a/1"), None);
        assert_eq!(methods("/a/1/b/c"), None);
    }
}
