//! What went wrong in TLS, in words that say what to do.

use std::io;

use tokio_rustls::rustls::{AlertDescription, CertificateError, Error};

/// What is wrong, if it is about TLS; else what the operating system said.
#[must_use]
pub fn explain(cause: &io::Error) -> String {
    let Some(error) = of_tls(cause) else {
        return cause.to_string();
    };
    match error {
        Error::InvalidCertificate(wrong) => wrong_certificate(wrong),
        Error::AlertReceived(alert) => refused(*alert),
        Error::InvalidMessage(_) => "the other side does not speak TLS there".into(),
        other => other.to_string(),
    }
}

/// Whether one side does not accept the other's certificate, which waiting does not change.
#[must_use]
pub fn is_about_trust(cause: &io::Error) -> bool {
    match of_tls(cause) {
        Some(Error::InvalidCertificate(_)) => true,
        Some(Error::AlertReceived(alert)) => is_about_our_certificate(*alert),
        _ => false,
    }
}

fn of_tls(cause: &io::Error) -> Option<&Error> {
    cause.get_ref()?.downcast_ref()
}

fn wrong_certificate(wrong: &CertificateError) -> String {
    match wrong {
        // The second is one by an authority that has the name of one that is trusted.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "its certificate is signed by none of the authorities that are trusted here".into()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired".into(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet".into()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("its certificate is not for this name or address: {wrong}")
        }
        other => format!("its certificate cannot be accepted: {other}"),
    }
}

fn refused(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateRequired => "it asks for a client's certificate, and none was shown".into(),
        alert if is_about_our_certificate(alert) => {
            format!("it does not accept the certificate that it was shown, or that none was: {alert:?}")
        }
        other => format!("it refuses: {other:?}"),
    }
}

fn is_about_our_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
    )
}
