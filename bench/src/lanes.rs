//! What the engine's lanes have done, from the processes' metrics.

use std::net::SocketAddr;

use harness::measured;
use serde::Serialize;

use crate::{connection::Connection, numbers::float};

/// Sums over all lanes of all processes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lanes {
    batches: f64,
    commands: f64,
    conflicts: f64,
    lost_answers: f64,
}

/// What the lanes did during a run.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct LaneFigures {
    /// How many batches were committed.
    pub(crate) batches: f64,
    /// How many commands shared a batch.
    pub(crate) mean_batch: f64,
    /// How many EXECs a rival made null.
    pub(crate) conflicts: f64,
    /// How many EXECs lost their answer.
    pub(crate) lost_answers: f64,
    /// How many batches each checkout took its share of.
    pub(crate) batches_per_checkout: f64,
}

impl Lanes {
    /// Reads the metrics of the processes at these addresses.
    ///
    /// # Errors
    /// If one does not answer.
    pub(crate) async fn read(addresses: &[SocketAddr]) -> anyhow::Result<Self> {
        let mut lanes = Self::default();
        for address in addresses {
            let metrics = Connection::open(*address).await?.get("/metrics").await?.success()?;
            let text = String::from_utf8_lossy(&metrics.body);
            lanes.batches += measured(&text, "holdfast_lane_batch_commands_count");
            lanes.commands += measured(&text, "holdfast_lane_batch_commands_sum");
            lanes.conflicts += measured(&text, "holdfast_lane_conflicts_total");
            lanes.lost_answers += measured(&text, "holdfast_lane_lost_answers_total");
        }
        Ok(lanes)
    }

    /// What was done after `earlier`, for so many checkouts.
    pub(crate) fn since(self, earlier: Self, checkouts: u64) -> LaneFigures {
        let batches = self.batches - earlier.batches;
        LaneFigures {
            batches,
            mean_batch: (self.commands - earlier.commands) / batches.max(1.0),
            conflicts: self.conflicts - earlier.conflicts,
            lost_answers: self.lost_answers - earlier.lost_answers,
            batches_per_checkout: batches / float(checkouts.max(1)),
        }
    }
}
