//! The answers of the v1 surface besides a plain 200.

use poem::{IntoResponse, Response, http::StatusCode, http::header::LOCATION};
use poem_openapi::{
    ApiResponse,
    payload::{Json, Payload},
    registry::{MetaHeader, MetaMediaType, MetaResponse, MetaResponses, Registry},
    types::{ToJSON, Type},
};

/// 201: something was created, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created<T> {
    /// The path of what was created.
    pub location: String,
    /// What was created.
    pub created: T,
}

/// 202: it will be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted<T>(pub T);

/// 204: it is done, and there is nothing to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done;

fn meta<T: Type>(status: u16, description: &'static str, headers: Vec<MetaHeader>) -> MetaResponses {
    MetaResponses {
        responses: vec![MetaResponse {
            description,
            status: Some(status),
            status_range: None,
            content: vec![MetaMediaType {
                content_type: Json::<T>::CONTENT_TYPE,
                schema: T::schema_ref(),
            }],
            headers,
        }],
    }
}

impl<T: ToJSON> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        Json(self.created)
            .with_header(LOCATION, self.location)
            .with_status(StatusCode::CREATED)
            .into_response()
    }
}

impl<T: ToJSON> ApiResponse for Created<T> {
    fn meta() -> MetaResponses {
        let location = MetaHeader {
            name: "Location".into(),
            description: Some("The path of what was created.".into()),
            required: true,
            deprecated: false,
            schema: String::schema_ref(),
        };
        meta::<T>(201, "It is created.", vec![location])
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: ToJSON> IntoResponse for Accepted<T> {
    fn into_response(self) -> Response {
        Json(self.0).with_status(StatusCode::ACCEPTED).into_response()
    }
}

impl<T: ToJSON> ApiResponse for Accepted<T> {
    fn meta() -> MetaResponses {
        meta::<T>(202, "It will be done.", Vec::new())
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl ApiResponse for Done {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![MetaResponse {
                description: "It is done.",
                status: Some(204),
                status_range: None,
                content: Vec::new(),
                headers: Vec::new(),
            }],
        }
    }

    fn register(_: &mut Registry) {}
}
