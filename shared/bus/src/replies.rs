//! What Redis answers, taken apart.

use bytes::Bytes;
use engine::store::connection::{Reply, error};

use crate::BusError;

/// A stream entry's id, as Redis writes it: `<milliseconds>-<number>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct EntryId {
    pub(crate) millis: u64,
    pub(crate) number: u64,
}

impl EntryId {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (millis, number) = text.split_once('-')?;
        Some(Self {
            millis: millis.parse().ok()?,
            number: number.parse().ok()?,
        })
    }

    /// The first id after this one.
    pub(crate) fn next(self) -> Self {
        match self.number.checked_add(1) {
            Some(number) => Self { number, ..self },
            None => Self {
                millis: self.millis.saturating_add(1),
                number: 0,
            },
        }
    }
}

impl std::fmt::Display for EntryId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}-{}", self.millis, self.number)
    }
}

/// The answers, none of which is an error.
pub(crate) fn answered(replies: Vec<Reply>) -> Result<Vec<Reply>, BusError> {
    match replies.iter().find_map(error) {
        Some(cause) => Err(BusError::Refused(cause.to_owned())),
        None => Ok(replies),
    }
}

/// The elements of an array; none of a null.
pub(crate) fn array(reply: Reply) -> Vec<Reply> {
    match reply {
        Reply::Array(elements) => elements,
        _ => Vec::new(),
    }
}

/// The bytes of a string.
pub(crate) fn bytes(reply: Reply) -> Option<Bytes> {
    match reply {
        Reply::BulkString(bytes) | Reply::SimpleString(bytes) => Some(bytes),
        _ => None,
    }
}

/// The text of a string.
pub(crate) fn text(reply: Reply) -> Option<String> {
    String::from_utf8(bytes(reply)?.into()).ok()
}

/// The texts of an array of strings.
pub(crate) fn texts(reply: Reply) -> Vec<String> {
    array(reply).into_iter().filter_map(text).collect()
}

/// A number, or a string that is one.
pub(crate) fn number(reply: Reply) -> Option<u64> {
    match reply {
        Reply::Integer(number) => u64::try_from(number).ok(),
        reply => text(reply)?.parse().ok(),
    }
}

/// The name of the field of a topic's entry that holds its events.
pub(crate) const EVENTS_FIELD: &str = "events";

/// An entry of a topic or of an outbox.
pub(crate) struct Entry {
    pub(crate) id: EntryId,
    /// A topic's events. None if the entry was deleted, or has no such field.
    pub(crate) events: Option<Bytes>,
    /// An outbox's events, by the number of their partition.
    pub(crate) parts: Vec<(u16, Bytes)>,
}

/// An entry as XREAD, XRANGE and XAUTOCLAIM answer it.
pub(crate) fn entry(reply: Reply) -> Option<Entry> {
    let mut parts = array(reply).into_iter();
    let id = EntryId::parse(&text(parts.next()?)?)?;
    let mut fields = array(parts.next()?).into_iter();
    let (mut events, mut parts) = (None, Vec::new());
    while let (Some(name), Some(value)) = (fields.next().and_then(text), fields.next()) {
        if name == EVENTS_FIELD {
            events = bytes(value);
        } else if let (Ok(partition), Some(value)) = (name.parse(), bytes(value)) {
            parts.push((partition, value));
        }
    }
    Some(Entry { id, events, parts })
}

/// The entries of each stream, as XREAD and XREADGROUP answer them.
pub(crate) fn streams(reply: Reply) -> Vec<(String, Vec<Entry>)> {
    let streams = array(reply).into_iter().filter_map(|stream| {
        let mut parts = array(stream).into_iter();
        let key = text(parts.next()?)?;
        let entries = array(parts.next()?).into_iter().filter_map(entry).collect();
        Some((key, entries))
    });
    streams.collect()
}

/// One field of an answer that is a list of names and values.
pub(crate) fn field(reply: &Reply, wanted: &str) -> Option<Reply> {
    let Reply::Array(parts) = reply else {
        return None;
    };
    let mut pairs = parts.chunks_exact(2);
    let pair = pairs.find(|pair| bytes(pair[0].clone()).as_deref() == Some(wanted.as_bytes()))?;
    Some(pair[1].clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_compared_as_numbers_and_have_a_next_one() {
        let id = |text| EntryId::parse(text).expect("an id");
        assert!(id("9-11") < id("10-2") && id("10-2") < id("10-11"));
        assert_eq!(id("5-7").next(), id("5-8"));
        assert_eq!(id("5-18446744073709551615").next(), id("6-0"));
        assert_eq!(id("5-7").to_string(), "5-7");
        assert_eq!(EntryId::parse("5"), None);
    }
}
