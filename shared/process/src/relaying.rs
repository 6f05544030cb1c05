//! The relay beside a service: it outlives the lanes, so that what they commit last is moved too.

use bus::{Bus, BusBounds, BusConfig, BusError, Relay, Topic};
use engine::{EngineConfig, store::StoreConfig};

use crate::{Resources, beside::Beside};

/// About how many entries an outbox keeps if there is no bus: enough for a person to look at.
const ENTRIES_WITHOUT_BUS: u32 = 10_000;

/// The engine's bounds, with an outbox that keeps little if nobody empties it.
#[must_use]
pub fn bounded(engine: &EngineConfig, bus: &BusConfig) -> EngineConfig {
    let mut engine = engine.clone();
    if bus.bus_url.is_none() {
        engine.outbox_entries = engine.outbox_entries.min(ENTRIES_WITHOUT_BUS);
    }
    engine
}

/// The way to the bus, if one is configured.
///
/// # Errors
/// The settings name none that can be used.
pub fn open_bus(config: &BusConfig, store: &StoreConfig) -> Result<Option<Bus>, BusError> {
    let Some(bus) = config.store(store) else {
        tracing::info!("no BUS_URL: events stay in the outbox, which keeps about {ENTRIES_WITHOUT_BUS} entries");
        return Ok(None);
    };
    Ok(Some(Bus::open(&bus)?))
}

/// The relays of a process.
pub struct Relays(Beside);

/// None yet.
impl Default for Relays {
    fn default() -> Self {
        Self(Beside::new("a relay"))
    }
}

impl Relays {
    /// Begins to move what a service announces, if there is a bus.
    pub fn start(&mut self, resources: &Resources, bounds: BusBounds) {
        let Some(bus) = &resources.bus else {
            return;
        };
        let relay = Relay::new(
            Topic::of(resources.service),
            resources.store.clone(),
            resources.partitions.clone(),
            bus.clone(),
            bounds,
        );
        self.0.start(|stop| relay.run(stop));
    }

    /// Lets them move what the lanes committed last, and ends them.
    pub async fn finish(self) {
        self.0.finish().await;
    }
}
