//! Whom a caller of participants trusts.

use std::{path::Path, sync::Arc};

use credentials::{
    CredentialError,
    tls::{ClientFiles, trusting_nobody},
};
use tokio_rustls::rustls::ClientConfig;

use super::Replicas;

/// The participants' authority is given, and none of them is called by https://.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// Nobody shows a certificate that it could have signed.
    #[error("PARTICIPANTS_CA_FILE is set, and no participant's URL is https://")]
    Unneeded,
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] CredentialError),
}

/// Whom to trust to be one of these participants: those whom the authorities in `ca` have signed, or those of this machine. If none
/// of them is called by https://, nobody.
///
/// # Errors
/// The file cannot be used, or is not needed.
pub fn trust(participants: &[&Replicas], ca: Option<&Path>) -> Result<Arc<ClientConfig>, TrustError> {
    if participants.iter().any(|replicas| replicas.are_encrypted()) {
        let files = ClientFiles {
            ca: ca.map(Path::to_path_buf),
            own: None,
        };
        return Ok(files.open()?);
    }
    match ca {
        Some(_) => Err(TrustError::Unneeded),
        None => Ok(Arc::new(trusting_nobody())),
    }
}
