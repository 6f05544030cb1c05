//! One name for everything that one client's request causes, in every log and every service.

use std::{borrow::Cow, fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The header that carries it.
pub const CORRELATION_HEADER: &str = "X-Correlation-ID";

const MAX_LENGTH: usize = 128;

/// 1 to 128 visible ASCII characters that the client chose, or a new UUIDv7.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Cow<'_, str>")]
pub struct CorrelationId(Arc<str>);

impl CorrelationId {
    /// The client's own id, or a new one if there is none or it has other characters.
    #[must_use]
    pub fn accept(header: Option<&str>) -> Self {
        match header {
            Some(text) if is_acceptable(text) => Self(text.into()),
            _ => Self(Uuid::now_v7().to_string().into()),
        }
    }

    /// The id's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Cow<'_, str>> for CorrelationId {
    fn from(text: Cow<'_, str>) -> Self {
        Self::accept(Some(&text))
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn is_acceptable(text: &str) -> bool {
    (1..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_visible_ascii_is_taken_over() {
        assert_eq!(CorrelationId::accept(Some("a-1/b")).as_str(), "a-1/b");
        for bad in ["", "a b", "a\r\nb", "é", &"x".repeat(MAX_LENGTH + 1)] {
            assert_ne!(CorrelationId::accept(Some(bad)).as_str(), bad);
        }
        assert_ne!(CorrelationId::accept(None), CorrelationId::accept(None));
    }
}
