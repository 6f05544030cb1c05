//! Everything that is read from outside, before a run and after it.

use std::{collections::BTreeMap, time::Duration};

use domain::ServiceName;
use serde::Serialize;

use crate::{
    lanes::{LaneFigures, Lanes},
    numbers::{each, float},
    process::{Kind, Usage},
    redis::Counters,
    system::System,
};

const MEGABYTE: f64 = 1e6;

/// One reading.
pub(crate) struct Gauges {
    usage: Vec<Usage>,
    redis: BTreeMap<ServiceName, Counters>,
    bus: Counters,
    lanes: Lanes,
}

/// What a run cost.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Costs {
    /// Processor time for each checkout by kind of process, in microseconds.
    pub(crate) processor_us: BTreeMap<Kind, f64>,
    /// Commands that the Redis servers processed, the bus among them, for each checkout.
    pub(crate) redis_commands: f64,
    /// Bytes that the Redis servers received and sent, for each checkout.
    pub(crate) redis_bytes: f64,
    /// By how many bytes each service's Redis grew for each checkout, straight after the run.
    pub(crate) stored_bytes: BTreeMap<&'static str, f64>,
    /// Resident memory by kind of process, in MB; of the largest, if there are several.
    pub(crate) memory_mb: BTreeMap<Kind, Memory>,
    /// What the engine did.
    pub(crate) lanes: LaneFigures,
}

/// Resident memory of a process, in MB.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Memory {
    /// As soon as it was ready.
    pub(crate) idle: f64,
    /// Straight after the run.
    pub(crate) end: f64,
    /// The most that it has been.
    pub(crate) peak: f64,
}

impl Gauges {
    /// Reads all gauges.
    ///
    /// # Errors
    /// If one cannot be read.
    pub(crate) async fn read(system: &System) -> anyhow::Result<Self> {
        let mut redis = BTreeMap::new();
        for (service, store) in &system.stores {
            redis.insert(*service, Counters::read(store).await?);
        }
        let lanes = Lanes::read(&system.metrics).await?;
        Ok(Self {
            usage: system.usage().await?,
            redis,
            bus: Counters::read(&system.bus).await?,
            lanes,
        })
    }

    /// What so many checkouts cost between `earlier` and this reading; `idle` is how the processes began.
    pub(crate) fn since(&self, earlier: &Self, idle: &[Usage], checkouts: u64) -> Costs {
        let sum = |part: fn(&Counters) -> u64| {
            let total = |gauges: &Self| gauges.redis.values().chain([&gauges.bus]).map(part).sum::<u64>();
            each(float(total(self) - total(earlier)), checkouts)
        };
        let mut processor_us = times(&self.usage);
        for (kind, before) in times(&earlier.usage) {
            *processor_us.entry(kind).or_default() -= before;
        }
        for time in processor_us.values_mut() {
            *time = each(*time, checkouts);
        }
        Costs {
            processor_us,
            redis_commands: sum(|counters| counters.commands),
            redis_bytes: sum(|counters| counters.bytes_in + counters.bytes_out),
            stored_bytes: self.stored_since(earlier, checkouts),
            memory_mb: memory(idle, &self.usage),
            lanes: self.lanes.since(earlier.lanes, checkouts),
        }
    }

    /// By how many bytes each service's Redis has grown for each checkout.
    pub(crate) fn stored_since(&self, earlier: &Self, checkouts: u64) -> BTreeMap<&'static str, f64> {
        let grown = |(service, now): (&ServiceName, &Counters)| {
            let before = earlier.redis.get(service)?.used_memory;
            Some((
                service.as_str(),
                each(float(now.used_memory) - float(before), checkouts),
            ))
        };
        self.redis.iter().filter_map(grown).collect()
    }
}

impl Costs {
    /// Processor time of everything but the load generator, for each checkout, in microseconds.
    pub(crate) fn processor_total(&self) -> f64 {
        self.processor_us.values().sum()
    }

    /// Processor time of the services, likewise.
    pub(crate) fn processor_services(&self) -> f64 {
        let services = self.processor_us.iter().filter(|(kind, _)| !kind.is_redis());
        services.map(|(_, time)| time).sum()
    }

    /// Bytes in all Redis servers for each checkout.
    pub(crate) fn stored_total(&self) -> f64 {
        self.stored_bytes.values().sum()
    }

    /// The most memory that any service had, in MB.
    pub(crate) fn memory_peak(&self) -> f64 {
        let services = self.memory_mb.iter().filter(|(kind, _)| !kind.is_redis());
        services.map(|(_, memory)| memory.peak).fold(0.0, f64::max)
    }

    /// The largest service's memory when idle, in MB.
    pub(crate) fn idle_memory(&self) -> f64 {
        let services = self.memory_mb.iter().filter(|(kind, _)| !kind.is_redis());
        services.map(|(_, memory)| memory.idle).fold(0.0, f64::max)
    }
}

/// By kind, in microseconds.
fn times(usage: &[Usage]) -> BTreeMap<Kind, f64> {
    let mut times: BTreeMap<Kind, Duration> = BTreeMap::new();
    for process in usage {
        *times.entry(process.kind).or_default() += process.time;
    }
    times
        .into_iter()
        .map(|(kind, time)| (kind, time.as_secs_f64() * 1e6))
        .collect()
}

fn memory(idle: &[Usage], end: &[Usage]) -> BTreeMap<Kind, Memory> {
    let mut memory: BTreeMap<Kind, Memory> = BTreeMap::new();
    for process in idle {
        let of_kind = memory.entry(process.kind).or_default();
        of_kind.idle = of_kind.idle.max(float(process.resident) / MEGABYTE);
    }
    for process in end {
        let of_kind = memory.entry(process.kind).or_default();
        of_kind.end = of_kind.end.max(float(process.resident) / MEGABYTE);
        of_kind.peak = of_kind.peak.max(float(process.resident_max) / MEGABYTE);
    }
    memory
}
