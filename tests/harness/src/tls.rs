//! Certificates, made for a test: an authority, what it signs, and HTTP clients that trust it.

use std::{
    fs,
    net::IpAddr,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use credentials::tls::trusting_nobody;
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use reqwest::ClientBuilder;
use tempfile::TempDir;
use tokio_rustls::rustls::{
    ALL_VERSIONS, ClientConfig, RootCertStore, SupportedProtocolVersion,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::unused_address;

/// The authorities that this process has made: its HTTP clients trust them.
static TRUSTED: Mutex<Vec<CertificateDer<'static>>> = Mutex::new(Vec::new());

/// The files of one certificate.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The certificate in PEM.
    pub certificate: PathBuf,
    /// Its key in PEM.
    pub key: PathBuf,
}

/// Somebody who signs certificates. Its files go with the value.
pub struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A new one, whom nobody trusts who is not told to.
    ///
    /// # Panics
    /// If its files cannot be written.
    #[must_use]
    pub fn new() -> Self {
        let folder = TempDir::new().expect("a folder for certificates");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = named(&format!(
            "authority {}",
            folder.path().file_name().unwrap_or_default().display()
        ));
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        fs::write(folder.path().join("ca.pem"), certificate.pem()).expect("a file");
        TRUSTED
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(certificate.der().clone());
        Self {
            folder,
            issuer: Issuer::new(params, key),
        }
    }

    /// The file that tells whom to trust.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// As a setting.
    #[must_use]
    pub fn ca_setting(&self) -> String {
        self.ca().display().to_string()
    }

    /// A certificate for every address that this process's tests use.
    #[must_use]
    pub fn issue(&self) -> Issued {
        self.issue_for(&own_address().to_string())
    }

    /// A certificate for one name or address.
    ///
    /// # Panics
    /// If it cannot be written.
    #[must_use]
    pub fn issue_for(&self, name: &str) -> Issued {
        self.sign(CertificateParams::new(vec![name.to_owned()]).expect("a name"))
    }

    /// One whose time was over long ago.
    ///
    /// # Panics
    /// If it cannot be written.
    #[must_use]
    pub fn issue_expired(&self) -> Issued {
        let mut params = CertificateParams::new(vec![own_address().to_string()]).expect("a name");
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
        self.sign(params)
    }

    fn sign(&self, mut params: CertificateParams) -> Issued {
        params.distinguished_name = named("tested");
        let key = KeyPair::generate().expect("a key");
        let signed = params.signed_by(&key, &self.issuer).expect("a certificate");
        let number = fs::read_dir(self.folder.path()).expect("a folder").count();
        let path = |ending: &str| self.folder.path().join(format!("{number}.{ending}"));
        let issued = Issued {
            certificate: path("pem"),
            key: path("key"),
        };
        fs::write(&issued.certificate, signed.pem()).expect("a file");
        fs::write(&issued.key, key.serialize_pem()).expect("a file");
        issued
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Issued {
    /// As settings of these names.
    #[must_use]
    pub fn settings(&self, certificate: &'static str, key: &'static str) -> [(&'static str, String); 2] {
        [
            (certificate, self.certificate.display().to_string()),
            (key, self.key.display().to_string()),
        ]
    }

    /// Puts another certificate in the place of this one, as an operator does: each file at once, one after the other.
    ///
    /// # Panics
    /// If it cannot.
    pub fn replace_with(&self, other: &Self) {
        for (from, to) in [(&other.key, &self.key), (&other.certificate, &self.certificate)] {
            let beside = to.with_extension("new");
            fs::copy(from, &beside).expect("a copy");
            fs::rename(beside, to).expect("a rename");
        }
    }
}

/// The name of somebody. OpenSSL takes a certificate that is signed by its own name to be signed by itself.
fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

/// The loopback address that all addresses of this process's tests have.
#[must_use]
pub fn own_address() -> IpAddr {
    unused_address().ip()
}

/// What a client needs that trusts the authorities of this process and speaks these versions of TLS.
///
/// # Panics
/// If there are none of these versions.
#[must_use]
pub fn trust(versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    let mut trusted = RootCertStore::empty();
    let made = TRUSTED.lock().unwrap_or_else(PoisonError::into_inner).clone();
    trusted.add_parsable_certificates(made);
    config(trusted, versions)
}

/// An HTTP client that trusts the authorities of this process.
pub fn http() -> ClientBuilder {
    reqwest::Client::builder().tls_backend_preconfigured(trust(ALL_VERSIONS))
}

/// An HTTP client that trusts one authority alone.
///
/// # Panics
/// If its certificate cannot be read.
pub fn http_trusting_only(authority: &Authority) -> ClientBuilder {
    let mut trusted = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_file(authority.ca()).expect("a certificate");
    trusted.add(certificate).expect("an authority");
    reqwest::Client::builder().tls_backend_preconfigured(config(trusted, ALL_VERSIONS))
}

fn config(trusted: RootCertStore, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    let provider = trusting_nobody().crypto_provider().clone();
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("versions of TLS")
        .with_root_certificates(trusted)
        .with_no_client_auth()
}
