//! What proves who is who, and is kept in files: passwords, certificates and keys.
//!
//! A secret comes from a file or from the environment, never from the command line, which every user of the machine can
//! read. TLS is rustls, with versions 1.2 and 1.3 alone. Nothing here turns the check of a certificate off.

mod command_line;
mod error;
mod secret;
pub mod tls;
mod unrepeated;

pub use self::{command_line::refuse_passwords, error::CredentialError, secret::read_secret, unrepeated::Unrepeated};
