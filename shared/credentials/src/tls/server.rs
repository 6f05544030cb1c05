//! The server's end: its certificate and key, which are read again when their files change.
//!
//! A connection keeps what it began with; the next one gets what is newest. So a certificate is replaced without a restart
//! and without a connection that breaks.

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock, Weak},
    time::Duration,
};

use tokio::{task::spawn_blocking, time::sleep};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        server::{ClientHello, ResolvesServerCert},
        sign::CertifiedKey,
    },
};

use super::{pem, provider};
use crate::CredentialError;

/// How often the files are looked at. They are small, and a look needs no support of the file system for notices, which
/// those that Kubernetes mounts lack.
const LOOK: Duration = Duration::from_secs(2);

/// The files of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFiles {
    /// Its certificate in PEM, and behind it those between it and the authority.
    pub certificate: PathBuf,
    /// The certificate's private key in PEM.
    pub key: PathBuf,
}

/// What both files hold.
#[derive(PartialEq, Eq)]
struct Texts {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl ServerFiles {
    fn read(&self) -> Result<Texts, CredentialError> {
        Ok(Texts {
            certificate: pem::read(&self.certificate)?,
            key: pem::read(&self.key)?,
        })
    }

    /// Whether they can be used.
    ///
    /// # Errors
    /// They cannot.
    pub fn check(&self) -> Result<(), CredentialError> {
        self.identity(&self.read()?).map(drop)
    }

    fn identity(&self, texts: &Texts) -> Result<CertifiedKey, CredentialError> {
        let chain = pem::certificates(&self.certificate, &texts.certificate)?;
        let key = pem::key(&self.key, &texts.key)?;
        CertifiedKey::from_der(chain, key, &provider()).map_err(|cause| {
            let certificate = self.certificate.display();
            CredentialError::unusable(
                &self.key,
                format!("it is not the key of the certificate in {certificate}: {cause}"),
            )
        })
    }
}

/// Takes connections over TLS, by HTTP/2 or HTTP/1.1 as the client prefers. Cheap to clone.
#[derive(Clone)]
pub struct ServerTls {
    acceptor: TlsAcceptor,
}

impl ServerTls {
    /// Reads the files, and reads them again when they change, for as long as anybody serves with them.
    ///
    /// # Errors
    /// A file cannot be used.
    pub fn open(files: ServerFiles) -> Result<Self, CredentialError> {
        let texts = files.read()?;
        let newest = Arc::new(Newest(RwLock::new(Arc::new(files.identity(&texts)?))));
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap_or_else(|error| unreachable!("ring speaks TLS 1.2 and 1.3: {error}"))
            .with_no_client_auth()
            .with_cert_resolver(newest.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        tokio::spawn(follow(files, texts, Arc::downgrade(&newest)));
        Ok(Self {
            acceptor: Arc::new(config).into(),
        })
    }

    /// What shakes hands.
    #[must_use]
    pub fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }
}

/// The newest certificate and key that fit each other.
#[derive(Debug)]
struct Newest(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Newest {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

async fn follow(files: ServerFiles, mut seen: Texts, newest: Weak<Newest>) {
    let certificate = files.certificate.display().to_string();
    let files = Arc::new(files);
    let mut is_told = false;
    loop {
        sleep(LOOK).await;
        let Some(newest) = newest.upgrade() else {
            return;
        };
        let read = {
            let files = files.clone();
            spawn_blocking(move || files.read()).await
        };
        let replaced = match read {
            Ok(Ok(texts)) if texts == seen => continue,
            Ok(Ok(texts)) => {
                is_told = false;
                let identity = files.identity(&texts);
                seen = texts;
                identity
            }
            Ok(Err(error)) => Err(error),
            // The runtime ends.
            Err(_) => return,
        };
        match replaced {
            Ok(identity) => {
                *newest.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(identity);
                tracing::info!(certificate, "a new certificate is served from now on");
            }
            Err(cause) if !is_told => {
                is_told = true;
                tracing::warn!(%cause, "a new certificate cannot be used; the one before is served further");
            }
            Err(_) => {}
        }
    }
}
