//! The public operations of identity: parse, call, answer.

mod keys;
mod passwords;
mod sessions;
mod users;

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
