use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::ServiceName;

/// What a process that runs its own stores knows of why they are away, for readiness to say.
#[derive(Debug, Clone, Default)]
pub struct Trouble(Arc<Mutex<BTreeMap<ServiceName, String>>>);

impl Trouble {
    /// A service's store is away, for this reason.
    pub fn tell(&self, service: ServiceName, reason: String) {
        self.reasons().insert(service, reason);
    }

    /// A service's store is back.
    pub fn is_over(&self, service: ServiceName) {
        self.reasons().remove(&service);
    }

    /// Why a service's store is away, if somebody knows.
    pub(super) fn reason(&self, service: ServiceName) -> Option<String> {
        self.reasons().get(&service).cloned()
    }

    fn reasons(&self) -> MutexGuard<'_, BTreeMap<ServiceName, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
