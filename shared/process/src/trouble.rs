use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What a process that runs its own stores knows of why they are away, for readiness to say.
#[derive(Debug, Clone, Default)]
pub struct Trouble(Arc<Mutex<BTreeMap<&'static str, String>>>);

impl Trouble {
    /// A service's store is away, for this reason.
    pub fn tell(&self, service: &'static str, reason: String) {
        self.reasons().insert(service, reason);
    }

    /// A service's store is back.
    pub fn is_over(&self, service: &'static str) {
        self.reasons().remove(service);
    }

    /// Why a service's store is away, if somebody knows.
    pub(super) fn of(&self, service: &str) -> Option<String> {
        self.reasons().get(service).cloned()
    }

    fn reasons(&self) -> MutexGuard<'_, BTreeMap<&'static str, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
