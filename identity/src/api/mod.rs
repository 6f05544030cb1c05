//! The public operations of identity: parse, call, answer.

mod keys;
mod passwords;
mod sessions;
mod users;

use domain::Timestamp;
use poem_openapi::Tags;
use web::Refused;

pub use self::{keys::KeysApi, passwords::PasswordsApi, sessions::SessionsApi, users::UsersApi};

type Answer<T, P> = Result<T, Refused<P>>;

#[derive(Tags)]
enum Tag {
    /// Who may log in.
    Users,
    /// Logging in, going on, logging out.
    Sessions,
    /// Passwords that are changed or forgotten.
    Passwords,
    /// Keys of machines, and the keys that sign tokens.
    Keys,
}

/// A point in time as answers tell it: RFC 3339, in UTC.
fn told(time: Timestamp) -> String {
    let since = std::time::Duration::from_millis(time.as_millis());
    let time = time::OffsetDateTime::UNIX_EPOCH.checked_add(time::Duration::try_from(since).unwrap_or_default());
    time.and_then(|time| time.format(&time::format_description::well_known::Rfc3339).ok())
        .unwrap_or_default()
}
