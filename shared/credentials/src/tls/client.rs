//! The client's end: whom it trusts, and the certificate that it shows.

use std::{path::PathBuf, sync::Arc};

use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::{pem, provider};
use crate::CredentialError;

/// The files of a client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientFiles {
    /// The authorities that are trusted. Without it, those of the machine.
    pub ca: Option<PathBuf>,
    /// The client's certificate and key, if the server asks for one.
    pub own: Option<(PathBuf, PathBuf)>,
}

impl ClientFiles {
    /// Whether none is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ca.is_none() && self.own.is_none()
    }

    /// Reads them.
    ///
    /// # Errors
    /// A file cannot be used; or none names an authority, and the machine trusts none.
    pub fn open(&self) -> Result<Arc<ClientConfig>, CredentialError> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap_or_else(|error| unreachable!("ring speaks TLS 1.2 and 1.3: {error}"))
            .with_root_certificates(self.authorities()?);
        let Some((certificate, key)) = &self.own else {
            return Ok(Arc::new(builder.with_no_client_auth()));
        };
        let chain = pem::certificates(certificate, &pem::read(certificate)?)?;
        let private = pem::key(key, &pem::read(key)?)?;
        let config = builder.with_client_auth_cert(chain, private).map_err(|cause| {
            let why = format!(
                "it is not the key of the certificate in {}: {cause}",
                certificate.display()
            );
            CredentialError::unusable(key, why)
        })?;
        Ok(Arc::new(config))
    }

    fn authorities(&self) -> Result<RootCertStore, CredentialError> {
        let mut trusted = RootCertStore::empty();
        let Some(path) = &self.ca else {
            let found = rustls_native_certs::load_native_certs();
            // A list of hundreds may hold one that is too old for rustls.
            trusted.add_parsable_certificates(found.certs);
            if trusted.is_empty() {
                let cause = found.errors.first().map(|cause| format!(" ({cause})"));
                return Err(CredentialError::NoAuthorities(cause.unwrap_or_default()));
            }
            return Ok(trusted);
        };
        for certificate in pem::certificates(path, &pem::read(path)?)? {
            trusted.add(certificate).map_err(|cause| {
                CredentialError::unusable(path, format!("it holds a certificate that cannot be used: {cause}"))
            })?;
        }
        Ok(trusted)
    }
}

/// A client that speaks to nobody over TLS: for those who speak in the clear, and whose library wants to know.
#[must_use]
pub fn trusting_nobody() -> ClientConfig {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap_or_else(|error| unreachable!("ring speaks TLS 1.2 and 1.3: {error}"))
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn refusal(files: &ClientFiles) -> String {
        files.open().expect_err("unusable files").to_string()
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named_with_what_is_wrong() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let ca = |name: &str| ClientFiles {
            ca: Some(path(name)),
            own: None,
        };
        fs::write(path("text"), "s3cret").expect("a file");
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        fs::write(path("broken"), broken).expect("a file");
        for (name, why) in [
            ("missing", "cannot be read"),
            ("text", "no certificate"),
            ("broken", "cannot be used"),
        ] {
            let refused = refusal(&ca(name));
            let named = path(name).display().to_string();
            assert!(refused.starts_with(&named) && refused.contains(why), "{refused}");
            assert!(!refused.contains("s3cret"), "{refused}");
        }
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let made = |name: &str| {
            let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).expect("a certificate");
            fs::write(path(&format!("{name}.pem")), made.cert.pem()).expect("a file");
            fs::write(path(&format!("{name}.key")), made.signing_key.serialize_pem()).expect("a file");
        };
        made("one");
        made("other");
        let files = |certificate: &str, key: &str| ClientFiles {
            ca: Some(path("one.pem")),
            own: Some((path(certificate), path(key))),
        };
        assert!(files("one.pem", "one.key").open().is_ok());
        let refused = refusal(&files("one.pem", "other.key"));
        assert!(
            refused.starts_with(&path("other.key").display().to_string()),
            "{refused}"
        );
        let refused = refusal(&files("one.pem", "one.pem"));
        assert!(refused.contains("no private key"), "{refused}");
    }
}
