use std::collections::HashMap;

use bytes::Bytes;
use domain::Timestamp;
use fred::bytes_utils::Str;

use super::{Command, EngineError, Record, Touches, command::expired, view::Loaded};
use crate::keys::Key;

/// An in-memory store that runs commands as a lane does: load, decide, encode, write.
///
/// Decision functions are tested on it without Redis. Its clock says what [`Simulation::set_clock`] was told, and
/// nothing expires by itself: an expiring record stays until [`Simulation::forget`] removes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Simulation {
    now: Timestamp,
    records: HashMap<Str, Bytes>,
    indexes: HashMap<Str, HashMap<Str, f64>>,
    events: Vec<serde_json::Value>,
}

impl Default for Simulation {
    /// An empty store, at the epoch.
    fn default() -> Self {
        Self {
            now: Timestamp::MIN,
            records: HashMap::new(),
            indexes: HashMap::new(),
            events: Vec::new(),
        }
    }
}

impl Simulation {
    /// Sets the store's clock, forwards or back.
    pub fn set_clock(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// Runs one command as a batch of its own.
    ///
    /// # Errors
    /// [`EngineError::Expired`], [`EngineError::Corrupt`] and [`EngineError::Bug`], as a lane would.
    pub fn run<C: Command>(&mut self, command: &C) -> Result<C::Outcome, EngineError> {
        if let Some(error) = expired(&command.validity(), self.now) {
            return Err(error);
        }
        let mut touches = Touches::default();
        command.touches(&mut touches);
        let values = touches
            .names
            .iter()
            .map(|name| self.records.get(name).cloned())
            .collect();
        let mut view = touches.load(Loaded {
            values,
            now: self.now,
            misused: HashMap::new(),
            misused_outbox: None,
        });
        if let Some(error) = view.unreadable(|own| command.touches(own)) {
            return Err(error);
        }
        let outcome = command.decide(&mut view);
        let writes = view.into_writes()?;
        self.records.extend(writes.set);
        self.records
            .extend(writes.set_expiring.into_iter().map(|(name, bytes, _)| (name, bytes)));
        for name in writes.delete {
            self.records.remove(&name);
        }
        for (index, members) in writes.index_add {
            let added = members.into_iter().map(|(score, member)| (member, score));
            self.indexes.entry(index).or_default().extend(added);
        }
        for (index, members) in writes.index_remove {
            let found = self.indexes.entry(index).or_default();
            found.retain(|member, _| !members.contains(member));
        }
        for array in writes.events.into_values().flatten() {
            let events: Vec<serde_json::Value> =
                serde_json::from_slice(&array).map_err(|cause| EngineError::Bug(cause.to_string()))?;
            self.events.extend(events);
        }
        Ok(outcome)
    }

    /// The record under a key.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`] if the stored bytes are not a record of the key's type.
    pub fn record<R: Record>(&self, key: &Key<R>) -> Result<Option<R>, EngineError> {
        self.records
            .get(key.name())
            .map(|bytes| Ok(crate::record::parse(key, bytes)?))
            .transpose()
    }

    /// Removes a record, as its expiry would.
    pub fn forget<R>(&mut self, key: &Key<R>) {
        self.records.remove(key.name());
    }

    /// The members of all indexes.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        self.indexes
            .values()
            .flat_map(|members| members.keys().map(|member| &**member))
    }

    /// The events emitted so far.
    #[must_use]
    pub fn events(&self) -> &[serde_json::Value] {
        &self.events
    }
}
