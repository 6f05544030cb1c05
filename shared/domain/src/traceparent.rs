use std::{borrow::Cow, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// The header that carries it.
pub const TRACEPARENT_HEADER: &str = "traceparent";

/// Where a request stands in a trace: version, trace id, the caller's span id and flags, all in lower-case hexadecimal.
///
/// Source: <https://www.w3.org/TR/trace-context/#traceparent-header>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>")]
pub struct TraceParent(Arc<str>);

/// The text is no traceparent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a traceparent: 00-<32 hexadecimal digits>-<16>-<2>, and neither id all zeros")]
pub struct BadTraceParent;

impl TraceParent {
    /// The header's value; `None` if there is none or it is malformed, as the specification wants it.
    #[must_use]
    pub fn accept(header: Option<&str>) -> Option<Self> {
        header.and_then(|text| Self::try_from(Cow::Borrowed(text)).ok())
    }

    /// As the header has it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<Cow<'_, str>> for TraceParent {
    type Error = BadTraceParent;

    fn try_from(text: Cow<'_, str>) -> Result<Self, BadTraceParent> {
        let fields: Vec<&str> = text.split('-').collect();
        let is_hex = |field: &str, digits| {
            field.len() == digits && field.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let is_id = |field: &str, digits| is_hex(field, digits) && field.bytes().any(|byte| byte != b'0');
        match fields.as_slice() {
            ["00", trace, span, flags] if is_id(trace, 32) && is_id(span, 16) && is_hex(flags, 2) => {
                Ok(Self(text.as_ref().into()))
            }
            _ => Err(BadTraceParent),
        }
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_specification_calls_valid_is_taken() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(TraceParent::accept(Some(good)).expect("a valid one").as_str(), good);
        for bad in [
            "",
            "00",
            &good.to_uppercase(),
            &good.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &good.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &good.replacen("00-", "ff-", 1),
            &format!("{good}-more"),
        ] {
            assert_eq!(TraceParent::accept(Some(bad)), None, "{bad}");
        }
    }
}
