//! Sees that this machine's clock and the store's agree.
//!
//! Nothing is decided by this machine's clock, so one that is off does no harm here. But its logs lie, and whatever else
//! runs on it may rely on it: a person wants to know.

use std::time::Duration;

use domain::Timestamp;
use metrics::{Gauge, gauge};

/// Clocks that are kept by NTP differ by far less, and a round trip to the store takes less than this.
const TOLERANCE: Duration = Duration::from_secs(2);

pub(super) struct ClockWatch {
    offset: Gauge,
    is_off: bool,
}

impl ClockWatch {
    /// For the lane of this number.
    pub(super) fn new(lane: u16) -> Self {
        Self {
            offset: gauge!("holdfast_clock_offset_seconds", "lane" => lane.to_string()),
            is_off: false,
        }
    }

    /// Compares the clocks, and logs once if they begin to differ, and once if they agree again.
    pub(super) fn observe(&mut self, store: Timestamp) {
        let own = Timestamp::now();
        let (ahead, behind) = (own.since(store), store.since(own));
        self.offset.set(ahead.as_secs_f64() - behind.as_secs_f64());
        let is_off = ahead.max(behind) > TOLERANCE;
        if is_off && !self.is_off {
            tracing::warn!(?ahead, ?behind, "this machine's clock and the store's differ");
        } else if self.is_off && !is_off {
            tracing::info!("this machine's clock and the store's agree again");
        }
        self.is_off = is_off;
    }
}
