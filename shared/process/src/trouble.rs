use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What a process that runs its own stores knows of why they are away, for readiness to say.
#[derive(Debug, Clone, Default)]
pub struct Trouble(Arc<Mutex<BTreeMap<&'static str, String>>>);

impl Trouble {
    /// A service's store, or the bus, is away for this reason.
    pub fn tell(&self, whose: &'static str, reason: String) {
        self.reasons().insert(whose, reason);
    }

    /// It is back.
    pub fn is_over(&self, whose: &'static str) {
        self.reasons().remove(whose);
    }

    /// Why it is away, if somebody knows.
    pub(super) fn reason(&self, whose: &'static str) -> Option<String> {
        self.reasons().get(whose).cloned()
    }

    fn reasons(&self) -> MutexGuard<'_, BTreeMap<&'static str, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
