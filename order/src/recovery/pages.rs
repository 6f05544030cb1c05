//! A partition's index of sagas, page by page.

use std::{collections::HashSet, fmt, ops::RangeInclusive};

use domain::{SagaId, Timestamp};
use engine::{
    EngineError,
    keys::{IndexKey, Partition},
    store::End,
};

use crate::{inflight::Inflight, record::Order, service::Orders};

/// How many entries one look reads.
pub(super) const PAGE: usize = 256;
/// How many entries that a person has to look at a worker remembers. Beyond that it tells of them again.
const TOLD: usize = 4_096;

/// Where a worker is in a range of the index: behind so many entries that it has left there.
///
/// What a worker is done with leaves the range. What stays, because it cannot be read or its participants do not
/// answer, is passed over, or the rest would never have its turn; and it has its own again after the range's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Place {
    passed: usize,
}

/// Whether the range has more than was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    More,
    None,
}

impl Place {
    /// Goes on behind what was left of `seen` entries, or from the start again if the range has no more.
    pub(super) fn go_on(&mut self, seen: usize, left: usize) -> Rest {
        if seen < PAGE {
            self.passed = 0;
            return Rest::None;
        }
        self.passed += left;
        Rest::More
    }
}

/// A saga in the index.
pub(super) struct Entry {
    pub(super) saga_id: SagaId,
    pub(super) inflight: Inflight,
    /// Its order, if that is not gone.
    pub(super) order: Option<Order>,
}

/// One page of the index.
pub(super) struct Page {
    /// Its sagas whose orders can be read.
    pub(super) sagas: Vec<Entry>,
    /// How many entries it has, these and others.
    pub(super) seen: usize,
}

/// Reads a partition's index, and tells once of what cannot be read.
pub(super) struct Pages {
    orders: Orders,
    inflight: IndexKey,
    told: HashSet<String>,
    fails: bool,
}

impl Pages {
    pub(super) fn new(orders: Orders, partition: Partition) -> Self {
        Self {
            inflight: orders.keys.inflight(partition),
            orders,
            told: HashSet::new(),
            fails: false,
        }
    }

    /// The index that is read.
    pub(super) fn index(&self) -> &IndexKey {
        &self.inflight
    }

    /// The time by the index's store; `None` if it cannot be read now.
    pub(super) async fn now(&mut self) -> Option<Timestamp> {
        let now = self.orders.store.now(&self.inflight).await;
        now.inspect_err(|error| self.failed(error)).ok()
    }

    /// The page at this place, counted from one end of the range; `None` if it cannot be read now.
    pub(super) async fn read(&mut self, scores: RangeInclusive<f64>, from: End, place: Place) -> Option<Page> {
        match self.try_read(scores, from, place).await {
            Ok(page) => {
                self.fails = false;
                Some(page)
            }
            Err(error) => {
                self.failed(&error);
                None
            }
        }
    }

    async fn try_read(&mut self, scores: RangeInclusive<f64>, from: End, place: Place) -> Result<Page, EngineError> {
        let store = &self.orders.store;
        let members = store.members(&self.inflight, scores, from, place.passed, PAGE).await?;
        let seen = members.len();
        let mut found: Vec<(SagaId, Inflight)> = Vec::with_capacity(seen);
        for (member, score) in members {
            match member.parse() {
                Ok(saga_id) => found.push((saga_id, Inflight::from_score(score))),
                Err(error) => self.tell(member, &error),
            }
        }
        let keys = &self.orders.keys;
        let records = found.iter().map(|(saga_id, _)| keys.order(&saga_id.order)).collect();
        let records = self.orders.store.read_all(records).await?;
        let mut sagas = Vec::with_capacity(seen);
        for ((saga_id, inflight), record) in found.into_iter().zip(records) {
            match record {
                Ok(order) => sagas.push(Entry {
                    saga_id,
                    inflight,
                    order,
                }),
                Err(error) => self.tell(saga_id.to_string(), &error),
            }
        }
        Ok(Page { sagas, seen })
    }

    /// Tells, once, of an entry that a person has to look at.
    pub(super) fn tell(&mut self, member: String, error: &dyn fmt::Display) {
        if self.told.contains(&member) {
            return;
        }
        self.orders.metrics.recovery.unreadable.increment(1);
        let index = self.inflight.name();
        tracing::error!(%error, member, %index, "an entry of the index is passed over; a person has to look at it");
        if self.told.len() >= TOLD {
            self.told.clear();
        }
        self.told.insert(member);
    }

    /// Counts a look that failed, and tells of the first of many.
    pub(super) fn failed(&mut self, error: &dyn fmt::Display) {
        self.orders.metrics.recovery.failures.increment(1);
        if !self.fails {
            tracing::warn!(%error, index = %self.inflight.name(), "unfinished sagas could not be looked for");
        }
        self.fails = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_in_the_range_is_passed_over_and_has_its_turn_again_after_the_end() {
        let mut place = Place::default();
        assert_eq!(place.go_on(PAGE, 3), Rest::More);
        assert_eq!(place.go_on(PAGE, PAGE), Rest::More);
        assert_eq!(place, Place { passed: 3 + PAGE });
        assert_eq!(place.go_on(PAGE - 1, 5), Rest::None);
        assert_eq!(place, Place::default());
    }
}
