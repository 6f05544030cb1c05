//! Certificates and keys in PEM files.

use std::{fs, path::Path};

use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject};

use crate::CredentialError;

/// What a file holds, as it stands there.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, CredentialError> {
    fs::read(path).map_err(|cause| CredentialError::unreadable(path, cause))
}

/// All certificates in a PEM file, in their order; at least one.
pub(super) fn certificates(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, CredentialError> {
    let found: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(text).collect();
    match found {
        Ok(found) if found.is_empty() => Err(CredentialError::unusable(
            path,
            "it holds no certificate in PEM (-----BEGIN CERTIFICATE-----)",
        )),
        Ok(found) => Ok(found),
        Err(cause) => Err(CredentialError::unusable(path, format!("it is no PEM file: {cause}"))),
    }
}

/// The private key in a PEM file.
pub(super) fn key(path: &Path, text: &[u8]) -> Result<PrivateKeyDer<'static>, CredentialError> {
    PrivateKeyDer::from_pem_slice(text).map_err(|cause| {
        let why = match cause {
            pem::Error::NoItemsFound => {
                "it holds no private key in PEM (-----BEGIN PRIVATE KEY-----); one that is encrypted cannot be used"
                    .into()
            }
            other => format!("it is no PEM file: {other}"),
        };
        CredentialError::unusable(path, why)
    })
}
