//! One list of kinds for each operation: what it may answer, and what its OpenAPI document says.

use std::{collections::BTreeMap, marker::PhantomData};

use poem::{IntoResponse, Response};
use poem_openapi::{
    ApiResponse,
    registry::{MetaHeader, MetaMediaType, MetaResponse, MetaResponses, MetaSchemaRef, Registry},
    types::Type,
};

use super::{COMMON, PROBLEM_JSON, Problem, ProblemBody, ProblemKind};

/// The errors that one operation may answer: no others, and no fewer.
pub trait Catalogue: Send + Sync + 'static {
    /// The kinds, besides [`COMMON`].
    const KINDS: &'static [&'static ProblemKind];
}

/// Makes catalogues: `catalogue! { /// Docs. Name: A, B }` is a type `Name` that lists the kinds `A` and `B`.
#[macro_export]
macro_rules! catalogue {
    ($($(#[$docs:meta])* $name:ident: $($kind:path),* $(,)?;)+) => {
        $(
            $(#[$docs])*
            pub(crate) struct $name;

            impl $crate::Catalogue for $name {
                const KINDS: &'static [&'static $crate::ProblemKind] = &[$(&$kind),*];
            }
        )+
    };
}

/// An error answer of an operation that documents the kinds of `C`.
pub struct Refused<C> {
    problem: Problem,
    catalogue: PhantomData<fn() -> C>,
}

impl<C: Catalogue, P: Into<Problem>> From<P> for Refused<C> {
    fn from(problem: P) -> Self {
        let problem = problem.into();
        // What an operation answers and what its document says are one list.
        let mut documented = COMMON.iter().chain(C::KINDS);
        let is_documented = documented.any(|kind| kind.slug == problem.kind.slug);
        debug_assert!(is_documented, "undocumented: {problem:?}");
        if !is_documented {
            tracing::error!(
                slug = problem.kind.slug,
                "an operation answers what its document does not say"
            );
        }
        Self {
            problem,
            catalogue: PhantomData,
        }
    }
}

impl<C> From<Refused<C>> for poem::Error {
    fn from(refused: Refused<C>) -> Self {
        refused.problem.into()
    }
}

impl<C> IntoResponse for Refused<C> {
    fn into_response(self) -> Response {
        self.problem.answer("")
    }
}

impl<C: Catalogue> ApiResponse for Refused<C> {
    fn meta() -> MetaResponses {
        let mut kinds_of_status: BTreeMap<u16, Vec<&ProblemKind>> = BTreeMap::new();
        for kind in COMMON.iter().chain(C::KINDS) {
            kinds_of_status.entry(kind.status).or_default().push(kind);
        }
        let responses = kinds_of_status
            .into_iter()
            .map(|(status, kinds)| describe(status, &kinds))
            .collect();
        MetaResponses { responses }
    }

    fn register(registry: &mut Registry) {
        ProblemBody::register(registry);
    }
}

fn describe(status: u16, kinds: &[&ProblemKind]) -> MetaResponse {
    let lines: Vec<String> = kinds
        .iter()
        .map(|kind| format!("`{}`: {}", kind.slug, kind.title))
        .collect();
    let waits = kinds.iter().any(|kind| kind.retry_after.is_some());
    let retry_after = MetaHeader {
        name: "Retry-After".into(),
        description: Some("Ask again after so many seconds.".into()),
        required: false,
        deprecated: false,
        schema: u32::schema_ref(),
    };
    MetaResponse {
        // The documentation is built once a process, and poem-openapi wants it to live as long.
        description: Box::leak(lines.join("\n\n").into_boxed_str()),
        status: Some(status),
        status_range: None,
        content: vec![MetaMediaType {
            content_type: PROBLEM_JSON,
            schema: MetaSchemaRef::Reference(ProblemBody::name().into_owned()),
        }],
        headers: waits.then_some(retry_after).into_iter().collect(),
    }
}
