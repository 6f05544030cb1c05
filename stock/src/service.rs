//! What stock does, for its HTTP side and for a process that embeds it.

use std::collections::BTreeMap;

use domain::{Credits, ItemId, Quantity, SagaId, Timestamp};
use engine::{
    Engine, EngineError, KeyedRequest, Once,
    bulk::{self, RecordCount, Undone},
    keys::{Partition, Partitions},
    store::Store,
};
use futures::future::try_join_all;
use ledger::{Claim, Fingerprint, GiveBack, Reason, Settle, Take, Terms};
use metrics::counter;
use process::Resources;
use saga::{Quote, QuoteAnswer, Release, Released, Reserve, ReserveAnswer, SAGA_MISMATCHES, SettlePieces, Settled};
use tokio::time::Instant;

use crate::{
    decide::{Add, Create, Init, Subtract},
    keys::Keys,
    problems::Refusal,
    record::Item,
};

/// What a saga claims in one partition.
type Claims = Vec<(ItemId, Claim<Item>)>;

/// On whose behalf pieces are given back.
#[derive(Clone, Copy)]
struct Asker<'a> {
    saga_id: &'a SagaId,
    driven_since: Timestamp,
    fingerprint: Fingerprint,
}

/// The stock of a deployment, behind its engine.
#[derive(Clone)]
pub struct Stock {
    engine: Engine,
    store: Store,
    partitions: Partitions,
    terms: Terms,
}

impl Stock {
    /// On this store and these lanes, with these terms.
    #[must_use]
    pub fn new(resources: Resources, terms: Terms) -> Self {
        Self {
            engine: resources.engine,
            store: resources.store,
            partitions: resources.partitions,
            terms,
        }
    }

    /// The terms that requests and records keep to.
    pub(crate) fn terms(&self) -> Terms {
        self.terms
    }

    /// Creates an item without pieces and returns its new id.
    pub(crate) async fn create(
        &self,
        price: Credits,
        request: Option<&KeyedRequest>,
    ) -> Result<Once<ItemId>, EngineError> {
        self.store.admit()?;
        let item_id = self.partitions.generate_for(request, ItemId::generate);
        let item = self.partitions.item(&item_id);
        let command = Create { item_id, item, price };
        self.engine.submit_once(command, request).await
    }

    /// The item.
    pub(crate) async fn find(&self, item_id: &ItemId) -> Result<Result<Item, Refusal>, EngineError> {
        let item = self.store.read(&self.partitions.item(item_id)).await?;
        Ok(item.ok_or_else(|| Refusal::UnknownItem(item_id.clone())))
    }

    /// Puts pieces into the stock.
    pub(crate) async fn add(
        &self,
        item_id: &ItemId,
        amount: Quantity,
        request: Option<&KeyedRequest>,
    ) -> Result<Once<Result<Quantity, Refusal>>, EngineError> {
        self.store.admit()?;
        let (item_id, item) = (item_id.clone(), self.partitions.item(item_id));
        let command = Add { item_id, item, amount };
        self.engine.submit_once(command, request).await
    }

    /// Takes pieces out of the stock. Only a request that is to be remembered needs room.
    pub(crate) async fn subtract(
        &self,
        item_id: &ItemId,
        amount: Quantity,
        request: Option<&KeyedRequest>,
    ) -> Result<Once<Result<Quantity, Refusal>>, EngineError> {
        if request.is_some() {
            self.store.admit()?;
        }
        let (item_id, item) = (item_id.clone(), self.partitions.item(item_id));
        let command = Subtract { item_id, item, amount };
        self.engine.submit_once(command, request).await
    }

    /// Creates the items "0" to "count - 1", or sets them to this stock and price. An item whose sum would be too large
    /// stays as it was.
    pub(crate) async fn init(
        &self,
        count: RecordCount,
        stock: Quantity,
        price: Credits,
    ) -> Result<Undone, EngineError> {
        self.store.admit()?;
        let init = |partition, numbers: &[u32]| Init {
            partition,
            items: numbers
                .iter()
                .map(|&number| (number, self.partitions.item(&ItemId::numbered(number))))
                .collect(),
            stock,
            price,
        };
        Ok(bulk::in_chunks(&self.engine, &self.partitions, count, init).await)
    }

    /// The price of an item.
    pub async fn quote(&self, quote: Quote) -> Result<QuoteAnswer, EngineError> {
        let item = self.find(&quote.item_id).await?;
        Ok(item.map_or(QuoteAnswer::UnknownItem, |item| QuoteAnswer::Price(item.price)))
    }

    /// Reserves all lines of a saga, or none.
    ///
    /// The partitions commit on their own. If one refuses, the others are released before the answer, so
    /// a refusal means that nothing is held. If a queue is full, it waits for room until `until`.
    ///
    /// # Errors
    /// [`EngineError::Expired`] if the driver took the saga too long ago; see [`Terms::drive_validity`].
    pub async fn reserve(&self, reserve: Reserve, until: Instant) -> Result<ReserveAnswer, EngineError> {
        let asker = Asker {
            saga_id: &reserve.saga_id,
            driven_since: reserve.driven_since,
            fingerprint: reserve.fingerprint,
        };
        let claims = self.claims(&reserve)?;
        let answers = try_join_all(claims.into_iter().map(async |(partition, claims)| {
            let (item_ids, claims): (Vec<ItemId>, Vec<Claim<Item>>) = claims.into_iter().unzip();
            let command = Take {
                partition,
                terms: self.terms,
                driven_since: asker.driven_since,
                saga_id: asker.saga_id.clone(),
                fingerprint: asker.fingerprint,
                has_room: !self.store.is_nearly_full(),
                claims,
            };
            let answer = self.engine.submit_within(command, until).await?;
            Ok::<_, EngineError>((item_ids, answer))
        }))
        .await?;
        let denials = answers.iter().filter_map(|(item_ids, answer)| {
            let denial = answer.err()?;
            Some((&item_ids[denial.claim], denial.reason))
        });
        let Some((item_id, reason)) = denials.min_by_key(|(_, reason)| reason.rank()) else {
            return Ok(ReserveAnswer::Reserved);
        };
        if reason == Reason::Mismatch {
            counter!(SAGA_MISMATCHES, "at" => "stock").increment(1);
            tracing::error!(saga = %reserve.saga_id, item = %item_id, "a saga's name holds something else; has order's store lost writes?");
        }
        let granted = answers.iter().filter(|(_, answer)| answer.is_ok());
        let granted = granted.flat_map(|(item_ids, _)| item_ids);
        self.release_items(asker, granted, until).await?;
        Ok(refused(item_id.clone(), reason))
    }

    /// Releases all items of a saga and refuses it for good. If a queue is full, it waits for room until `until`.
    ///
    /// # Errors
    /// [`EngineError::Expired`] if the driver took the saga too long ago; see [`Terms::drive_validity`].
    pub async fn release(&self, release: Release, until: Instant) -> Result<Released, EngineError> {
        let asker = Asker {
            saga_id: &release.saga_id,
            driven_since: release.driven_since,
            fingerprint: release.fingerprint,
        };
        self.release_items(asker, release.item_ids.iter(), until).await
    }

    /// Forgets what a paid saga holds. That can wait, so it takes nobody's place.
    ///
    /// # Errors
    /// [`EngineError::Expired`] if it is too early; see [`Terms::settling_validity`].
    /// [`EngineError::Overloaded`] as long as there is much else to do.
    pub async fn settle(&self, settle: SettlePieces) -> Result<Settled, EngineError> {
        let mut of_partition: BTreeMap<Partition, Vec<_>> = BTreeMap::new();
        for item_id in &settle.item_ids {
            let hold = self.partitions.hold(&settle.saga_id, item_id);
            of_partition.entry(hold.partition()).or_default().push(hold);
        }
        try_join_all(of_partition.into_iter().map(|(partition, holds)| {
            self.engine.submit_leaving_room(Settle {
                partition,
                terms: self.terms,
                paid_since: settle.paid_since,
                holds,
            })
        }))
        .await?;
        Ok(Settled)
    }

    async fn release_items(
        &self,
        asker: Asker<'_>,
        item_ids: impl Iterator<Item = &ItemId>,
        until: Instant,
    ) -> Result<Released, EngineError> {
        let mut of_partition: BTreeMap<Partition, BTreeMap<&ItemId, _>> = BTreeMap::new();
        for item_id in item_ids {
            let keys = (
                self.partitions.item(item_id),
                self.partitions.hold(asker.saga_id, item_id),
            );
            of_partition
                .entry(keys.0.partition())
                .or_default()
                .insert(item_id, keys);
        }
        try_join_all(of_partition.into_iter().map(|(partition, items)| {
            let command = GiveBack {
                partition,
                terms: self.terms,
                driven_since: asker.driven_since,
                saga_id: asker.saga_id.clone(),
                fingerprint: asker.fingerprint,
                holds: items.into_values().collect(),
            };
            self.engine.submit_within(command, until)
        }))
        .await?;
        Ok(Released)
    }

    /// The saga's claims by partition, lines of one item summed.
    fn claims(&self, reserve: &Reserve) -> Result<BTreeMap<Partition, Claims>, EngineError> {
        let mut of_item: BTreeMap<&ItemId, Quantity> = BTreeMap::new();
        for line in &reserve.lines {
            let sum = of_item.entry(&line.item_id).or_default();
            // An order takes no line that would make its sum too large.
            *sum = sum
                .checked_add(line.quantity)
                .ok_or_else(|| EngineError::Bug("a saga's lines of one item are too many to count".into()))?;
        }
        let mut of_partition: BTreeMap<Partition, Claims> = BTreeMap::new();
        for (item_id, quantity) in of_item {
            let claim = Claim {
                record: self.partitions.item(item_id),
                hold: self.partitions.hold(&reserve.saga_id, item_id),
                amount: quantity,
            };
            let claims = of_partition.entry(claim.record.partition()).or_default();
            claims.push((item_id.clone(), claim));
        }
        Ok(of_partition)
    }
}

/// A denial in the words of the saga.
fn refused(item_id: ItemId, reason: Reason<Quantity>) -> ReserveAnswer {
    match reason {
        Reason::Refused(ledger::Refusal::TooLittle { left }) => ReserveAnswer::OutOfStock { item_id, left },
        Reason::Refused(ledger::Refusal::NoBalance) => ReserveAnswer::ItemGone { item_id },
        Reason::Refused(ledger::Refusal::NoRoom) => ReserveAnswer::StoreFull,
        Reason::Undone => ReserveAnswer::Undone,
        Reason::Mismatch => ReserveAnswer::Mismatch { item_id },
    }
}
