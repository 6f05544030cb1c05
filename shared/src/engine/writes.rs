use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use fred::bytes_utils::Str;

/// What one batch changes, ready for MULTI: few commands with many arguments each, because a command
/// costs the client far more than an argument does.
#[derive(Debug, Default)]
pub(super) struct Writes {
    pub(super) set: Vec<(Str, Bytes)>,
    pub(super) set_expiring: Vec<(Str, Bytes, Duration)>,
    pub(super) delete: Vec<Str>,
    pub(super) index_add: BTreeMap<Str, Vec<(f64, Str)>>,
    pub(super) index_remove: BTreeMap<Str, Vec<Str>>,
    /// Per stream, the batch's events in order; they become one entry.
    pub(super) append: BTreeMap<Str, Vec<serde_json::Value>>,
}

impl Writes {
    pub(super) fn is_empty(&self) -> bool {
        self.set.is_empty()
            && self.set_expiring.is_empty()
            && self.delete.is_empty()
            && self.index_add.is_empty()
            && self.index_remove.is_empty()
            && self.append.is_empty()
    }
}
