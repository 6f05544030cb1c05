//! Lists of records, newest first, a page at a time: from indexes, one a partition, which are merged while they are read.
//!
//! A page ends at a record, and the next one begins behind it, however many were added since.

use std::{fmt, str::FromStr};

use engine::{
    Record,
    keys::{IndexKey, Key},
    store::{End, ReadError, Store},
};

use crate::problems::Refusal;

/// How many entries an answer has if nobody asks for another number.
pub(crate) const DEFAULT_LIMIT: usize = 20;

/// Where a page ends: when its last record was made, and its name.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub(crate) struct Cursor {
    score: f64,
    id: String,
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.score, self.id)
    }
}

impl FromStr for Cursor {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let bad = Refusal::Malformed("cursor: give the next_cursor of an earlier answer, or none");
        let (score, id) = text.split_once('.').ok_or(bad.clone())?;
        let score: u64 = score.parse().map_err(|_| bad)?;
        Ok(Self {
            score: domain::Timestamp::from_millis(score).score(),
            id: id.to_owned(),
        })
    }
}

/// A part of a list.
#[derive(Debug)]
pub(crate) struct Page<T> {
    /// The records, newest first, each with its name.
    pub(crate) records: Vec<(String, T)>,
    /// Where the next part begins, if there is one.
    pub(crate) next: Option<Cursor>,
}

/// The `limit` newest records behind `after`, of all these indexes.
pub(crate) async fn list<R: Record>(
    store: &Store,
    indexes: impl Iterator<Item = IndexKey>,
    key: impl Fn(&str) -> Option<Key<R>>,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<R>, ReadError> {
    let mut entries = Vec::new();
    for index in indexes {
        entries.extend(newest(store, &index, after, limit + 1).await?);
    }
    // The newest first; of those of one moment, the one whose name is the last.
    entries.sort_by(|one: &Cursor, other| other.partial_cmp(one).unwrap_or(std::cmp::Ordering::Equal));
    let has_more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| has_more).cloned();
    let mut records = Vec::with_capacity(entries.len());
    for Cursor { id, .. } in entries {
        let Some(key) = key(&id) else {
            continue;
        };
        if let Some(record) = store.read(&key).await? {
            records.push((id, record));
        }
    }
    Ok(Page { records, next })
}

/// The newest entries of one index behind `after`.
async fn newest(
    store: &Store,
    index: &IndexKey,
    after: Option<&Cursor>,
    count: usize,
) -> Result<Vec<Cursor>, ReadError> {
    let highest = after.map_or(f64::INFINITY, |after| after.score);
    let (mut found, mut skip) = (Vec::new(), 0);
    loop {
        let some = store.members(index, 0.0..=highest, End::Highest, skip, count).await?;
        let is_last = some.len() < count;
        skip += some.len();
        let cursors = some.into_iter().map(|(id, score)| Cursor { score, id });
        // Those of the same moment as the last page's end may have been on it.
        found.extend(cursors.filter(|cursor| after.is_none_or(|after| cursor < after)));
        if is_last || found.len() >= count {
            return Ok(found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_a_round_trip_and_anything_else_is_refused() {
        let cursor: Cursor = "1800000000000.user-7".parse().expect("a cursor");
        assert_eq!(cursor.to_string(), "1800000000000.user-7");
        for bad in ["", "1", "a.b", "-1.a", "NaN.a", "1e3.a"] {
            assert!(bad.parse::<Cursor>().is_err(), "{bad:?}");
        }
    }
}
