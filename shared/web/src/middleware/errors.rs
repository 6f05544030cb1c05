//! One shape for all errors, ours and the framework's.

use poem::{
    Response,
    http::{HeaderValue, header::ALLOW},
};
use poem_openapi::error::ParsePathError;

use super::allowed_methods::AllowedMethods;
use crate::{MALFORMED, Problem, problem::respond};

/// Turns an error into its answer: one of ours as it says, one of poem's by its status.
pub(super) fn explain(error: &poem::Error, path: &str) -> Response {
    if let Some(problem) = error.data::<Problem>() {
        return problem.answer(path);
    }
    let status = error.status();
    if let Some(parameter) = error.downcast_ref::<ParsePathError>() {
        // poem-openapi names the parameter by its position; the reason says what is allowed.
        return Problem::new(&MALFORMED, reason(&parameter.reason)).answer(path);
    }
    if status.as_u16() == MALFORMED.status {
        return Problem::new(&MALFORMED, error.to_string()).answer(path);
    }
    // RFC 9457, 4.2.1: about:blank says no more than the status does.
    let title = status.canonical_reason().unwrap_or("Error");
    let mut response = respond(status.as_u16(), "about:blank", title, &error.to_string(), path, None);
    if let Some(AllowedMethods(methods)) = error.data()
        && let Ok(methods) = HeaderValue::from_str(methods)
    {
        response.headers_mut().insert(ALLOW, methods);
    }
    response
}

/// What is allowed, without the name that the type has in the program, which poem-openapi puts before it.
fn reason(said: &str) -> &str {
    said.strip_prefix("failed to parse \"")
        .and_then(|said| said.split_once("\": "))
        .map_or(said, |(_, reason)| reason)
}

#[cfg(test)]
mod tests {
    use domain::{Credits, ItemId, Quantity};
    use engine::bulk::RecordCount;
    use poem_openapi::types::ParseFromParameter;

    use super::*;
    use crate::{Param, Parameter};

    #[test]
    fn a_refused_parameter_names_no_type_of_the_program() {
        fn said<T: Parameter>(text: &str) -> String {
            let refused = Param::<T>::parse_from_parameter(text).err().expect("a refusal");
            reason(refused.message()).to_owned()
        }
        let most = i64::MAX;
        assert_eq!(
            said::<Quantity>("-1"),
            format!("an amount is a whole number from 0 to {most}")
        );
        assert_eq!(
            said::<Credits>("+1"),
            format!("an amount is a whole number from 0 to {most}")
        );
        assert!(said::<RecordCount>("x").starts_with("the number of records is"));
        assert!(said::<ItemId>("").starts_with("an id is"));
        assert_eq!(reason("anything else"), "anything else");
    }
}
