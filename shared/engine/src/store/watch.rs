//! How full a store's memory is, so that nothing new is begun on one that is nearly full.
//!
//! Whatever is under way ends with a write: a release, a refund, a tombstone, a changed index. A Redis at its
//! maxmemory refuses even those. So what is new is refused before, and the rest of the memory is for what ends.

use std::{
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use metrics::{Gauge, gauge};

use super::{
    Store, StoreFull,
    claim::KEEPS_ALL,
    info::{info, info_field},
    reader::Reader,
};
use crate::keys::Partitions;

/// How often the memory is looked at. A store that fills up in minutes is seen in time.
const LOOK: Duration = Duration::from_secs(1);

/// Looks at the memory of a store for as long as somebody uses it.
struct Watch {
    reader: Reader,
    slots: Vec<u16>,
    service: String,
    watermark_percent: u8,
    ratio: Gauge,
    records: Gauge,
    used_bytes: Gauge,
    evicts: bool,
}

impl Store {
    /// Whether the store's memory is filled beyond its watermark.
    #[must_use]
    pub fn is_nearly_full(&self) -> bool {
        self.nearly_full.load(Ordering::Relaxed)
    }

    /// Lets something new in if there is room for it.
    ///
    /// # Errors
    /// [`StoreFull`] if the store is nearly full.
    pub fn admit(&self) -> Result<(), StoreFull> {
        if self.is_nearly_full() { Err(StoreFull) } else { Ok(()) }
    }

    /// Looks at the memory once, and then in a task of its own, which ends when the last clone of the store is dropped.
    pub async fn watch(&self, service: &str, partitions: &Partitions) {
        let mut watch = Watch {
            reader: self.reader.clone(),
            slots: self.slots(partitions),
            service: service.to_owned(),
            watermark_percent: self.watermark_percent,
            ratio: gauge!("holdfast_store_used_ratio", "store" => service.to_owned()),
            records: gauge!("holdfast_store_records", "store" => service.to_owned()),
            used_bytes: gauge!("holdfast_store_used_bytes", "store" => service.to_owned()),
            evicts: false,
        };
        watch.look(&self.nearly_full).await;
        let nearly_full = Arc::downgrade(&self.nearly_full);
        tokio::spawn(watch.run(nearly_full));
    }
}

impl Watch {
    async fn run(mut self, nearly_full: Weak<AtomicBool>) {
        loop {
            tokio::time::sleep(LOOK).await;
            let Some(nearly_full) = nearly_full.upgrade() else {
                return;
            };
            self.look(&nearly_full).await;
        }
    }

    /// Says what it sees, and logs it once if that changes. While Redis does not answer, what it said last counts.
    async fn look(&mut self, nearly_full: &AtomicBool) {
        let mut fullest: f64 = 0.0;
        let mut servers: HashMap<String, (f64, f64)> = HashMap::new();
        for slot in &self.slots {
            let Ok(told) = info(&self.reader, *slot).await else {
                return;
            };
            fullest = fullest.max(used_ratio(&told));
            // Several slots may be on one server.
            let run_id = info_field(&told, "run_id").unwrap_or_default();
            let used_bytes = number(&told, "used_memory").unwrap_or_default();
            servers.insert(run_id.to_owned(), (records(&told), used_bytes));
            let policy = info_field(&told, "maxmemory_policy").unwrap_or(KEEPS_ALL);
            if policy != KEEPS_ALL && !self.evicts {
                tracing::error!(
                    store = self.service,
                    policy,
                    "Redis was told to throw keys away; set maxmemory-policy to {KEEPS_ALL}"
                );
            }
            self.evicts = policy != KEEPS_ALL;
        }
        self.ratio.set(fullest);
        self.records
            .set(servers.values().map(|(records, _)| records).sum::<f64>());
        self.used_bytes
            .set(servers.values().map(|(_, bytes)| bytes).sum::<f64>());
        let is_nearly_full = fullest * 100.0 > f64::from(self.watermark_percent);
        let was = nearly_full.swap(is_nearly_full, Ordering::Relaxed);
        if is_nearly_full && !was {
            tracing::error!(
                store = self.service,
                used = fullest,
                "the store is nearly full: nothing new is begun"
            );
        } else if was && !is_nearly_full {
            tracing::info!(store = self.service, used = fullest, "the store has room again");
        }
    }
}

/// How much of its maxmemory a server uses, as it counts itself: without what replicas and the append-only file have
/// not taken yet. Nothing if it has no maxmemory.
fn used_ratio(told: &str) -> f64 {
    match (number(told, "used_memory"), number(told, "maxmemory")) {
        (Some(used), Some(max)) if max > 0.0 => {
            (used - number(told, "mem_not_counted_for_evict").unwrap_or_default()) / max
        }
        _ => 0.0,
    }
}

/// How many keys a server holds.
fn records(told: &str) -> f64 {
    let keyspace = info_field(told, "db0").and_then(|keyspace| keyspace.strip_prefix("keys=")?.split(',').next());
    keyspace.and_then(|count| count.parse().ok()).unwrap_or_default()
}

fn number(told: &str, name: &str) -> Option<f64> {
    info_field(told, name)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_is_told_as_redis_counts_it() {
        let told =
            |most: u32| format!("# Memory\r\nused_memory:950\r\nmaxmemory:{most}\r\nmem_not_counted_for_evict:50\r\n");
        assert!((used_ratio(&told(1_000)) - 0.9).abs() < 1e-9);
        assert!(
            used_ratio(&told(0)).abs() < 1e-9,
            "a server without a bound is never full"
        );
        assert!(used_ratio("").abs() < 1e-9);
    }

    #[test]
    fn records_are_counted_in_an_empty_store_too() {
        let told = "# Keyspace\r\ndb0:keys=120,expires=3,avg_ttl=100\r\n";
        assert!((records(told) - 120.0).abs() < 1e-9);
        assert!(records("# Keyspace\r\n").abs() < 1e-9);
    }
}
