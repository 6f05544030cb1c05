use engine::store::connection::Connection;

use crate::{
    BusError,
    replies::{Entry, EntryId, answered, array, entry},
};

/// How many entries are read at once.
const PAGE: &str = "500";

/// A stream's entries, read page by page from one of them on to the last.
pub(crate) struct Pages {
    key: String,
    next: EntryId,
}

impl Pages {
    /// Of the stream under `key`, from the first entry that is not before `from`.
    pub(crate) fn new(key: impl Into<String>, from: EntryId) -> Self {
        Self {
            key: key.into(),
            next: from,
        }
    }

    /// The next entries; none at the end.
    pub(crate) async fn next(&mut self, line: &mut Connection) -> Result<Vec<Entry>, BusError> {
        let from = self.next.to_string();
        let range = [self.key.as_bytes(), from.as_bytes(), b"+", b"COUNT", PAGE.as_bytes()];
        line.queue("XRANGE", range);
        let read = answered(line.exchange().await?)?.into_iter().next();
        let entries = read.map(array).unwrap_or_default().into_iter();
        let entries: Vec<Entry> = entries.filter_map(entry).collect();
        if let Some(last) = entries.last() {
            self.next = last.id.next();
        }
        Ok(entries)
    }
}
