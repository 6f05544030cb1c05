//! Addresses by which users log in.

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// RFC 5321, 4.5.3.1.3: a path has 256 octets, two of which are its brackets.
const MAX_LENGTH: usize = 254;

/// An address, in lower case: what differs in case alone is one user's, or somebody registers as another.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct Email(String);

/// The text is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an address is <name>@<domain>, of up to {MAX_LENGTH} visible ASCII characters")]
pub struct BadEmail;

impl Email {
    /// The address' text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its SHA-256, as a key's name: the store's keys tell nobody's address.
    pub(crate) fn hash(&self) -> String {
        hex::encode(Sha256::digest(&self.0))
    }
}

impl FromStr for Email {
    type Err = BadEmail;

    /// Whether mails arrive is found out by a mail; this refuses what cannot be an address, or would be two.
    fn from_str(text: &str) -> Result<Self, BadEmail> {
        let (name, domain) = text.split_once('@').ok_or(BadEmail)?;
        let is_plain = text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"<>()[],;:\\\"".contains(&byte));
        let has_labels = domain.split('.').all(|label| !label.is_empty()) && !domain.contains('@');
        if name.is_empty() || text.len() > MAX_LENGTH || !is_plain || !has_labels {
            return Err(BadEmail);
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

impl TryFrom<Cow<'_, str>> for Email {
    type Error = BadEmail;

    fn try_from(text: Cow<'_, str>) -> Result<Self, BadEmail> {
        text.parse()
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.0
    }
}

/// Logs name users by their ids.
impl fmt::Debug for Email {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Email")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_an_address_is_refused() {
        for bad in [
            "",
            "a",
            "@b",
            "a@",
            "a@b@c",
            "a b@c",
            "a@b..c",
            "a@.b",
            "é@b.example",
            "a@b\n",
            "<a@b>",
            "a,b@c",
            &format!("{}@b.example", "a".repeat(MAX_LENGTH)),
        ] {
            assert_eq!(bad.parse::<Email>(), Err(BadEmail), "{bad:?}");
        }
    }

    #[test]
    fn addresses_that_differ_in_case_alone_are_one() {
        let one: Email = "Ann@Shop.Example".parse().expect("an address");
        let other: Email = "ann@shop.example".parse().expect("an address");
        assert_eq!((one.as_str(), one.hash()), (other.as_str(), other.hash()));
        assert!(!format!("{one:?}").contains("ann"));
    }
}
