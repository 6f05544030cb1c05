//! Which passwords may be chosen.

use std::{collections::HashSet, fmt, str::FromStr, sync::LazyLock};

use unicode_normalization::UnicodeNormalization;

/// ASVS 5, 6.2.1 and 6.2.9.
const MIN_CHARACTERS: usize = 8;
const MAX_CHARACTERS: usize = 128;

/// The 3,000 most common passwords that are long enough, most common first.
///
/// Source: zxcvbn's list of passwords, <https://github.com/dropbox/zxcvbn> (MIT; Dropbox, Inc.).
static COMMON: LazyLock<HashSet<&str>> = LazyLock::new(|| include_str!("common.txt").lines().collect());

/// A password as it is compared: in Unicode's form NFC, so that it does not matter how a keyboard puts an accent on a letter.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

/// The text may not be a password. It is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPassword {
    /// It is too short or too long.
    #[error("a password has {MIN_CHARACTERS} to {MAX_CHARACTERS} characters, of any kind")]
    Length,
    /// Everybody tries it first.
    #[error("the password is one of the 3,000 most common; choose another one")]
    Common,
}

impl Password {
    /// What stands for a text that may be no password, so that it takes as long as any other.
    pub(crate) fn of_nobody() -> Self {
        Self("nobody's password".into())
    }

    /// The bare bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Refuses what a new password may not be.
    ///
    /// # Errors
    /// [`BadPassword::Common`].
    pub fn check_new(self) -> Result<Self, BadPassword> {
        if COMMON.contains(self.0.to_lowercase().as_str()) {
            return Err(BadPassword::Common);
        }
        Ok(self)
    }
}

impl FromStr for Password {
    type Err = BadPassword;

    fn from_str(text: &str) -> Result<Self, BadPassword> {
        let text: String = text.nfc().collect();
        if !(MIN_CHARACTERS..=MAX_CHARACTERS).contains(&text.chars().count()) {
            return Err(BadPassword::Length);
        }
        Ok(Self(text))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_has_any_characters_in_a_range_and_is_never_cut() {
        for good in [
            "12345 67",
            "pässwörter",
            "🦀🦀🦀🦀🦀🦀🦀🦀",
            &"x".repeat(MAX_CHARACTERS),
        ] {
            let password: Password = good.parse().expect("a password");
            assert_eq!(password.as_bytes(), good.as_bytes());
        }
        for bad in ["", "1234567", "🦀🦀", &"x".repeat(MAX_CHARACTERS + 1)] {
            assert_eq!(bad.parse::<Password>(), Err(BadPassword::Length), "{bad:?}");
        }
    }

    #[test]
    fn a_letter_and_its_accent_are_the_same_as_the_letter_with_it() {
        let composed: Password = "p\u{e4}sswort".parse().expect("a password");
        let decomposed: Password = "pa\u{308}sswort".parse().expect("a password");
        assert_eq!(composed, decomposed);
    }

    #[test]
    fn what_everybody_tries_first_may_not_be_chosen() {
        assert_eq!(COMMON.len(), 3_000);
        for common in ["password", "PassWord", "12345678", "football"] {
            let password: Password = common.parse().expect("a password");
            assert_eq!(password.check_new(), Err(BadPassword::Common), "{common}");
        }
        let rare: Password = "correct horse battery".parse().expect("a password");
        assert!(rare.check_new().is_ok());
    }
}
