use std::{
    io,
    path::{Path, PathBuf},
};

/// A file with credentials cannot be used. Waiting does not help.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// It is not there, or must not be read.
    #[error("{}: it cannot be read: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        cause: io::Error,
    },
    /// It holds something else than it should.
    #[error("{}: {why}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it. It tells nothing of a secret.
        why: String,
    },
    /// The machine trusts no authority.
    #[error("this machine has no list of trusted certificate authorities{0}; name yours by file")]
    NoAuthorities(String),
}

impl CredentialError {
    pub(crate) fn unusable(path: &Path, why: impl Into<String>) -> Self {
        Self::Unusable {
            path: path.to_owned(),
            why: why.into(),
        }
    }

    pub(crate) fn unreadable(path: &Path, cause: io::Error) -> Self {
        Self::Unreadable {
            path: path.to_owned(),
            cause,
        }
    }
}
