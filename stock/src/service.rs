//! What stock does, for its HTTP side and for a process that embeds it.

use std::collections::BTreeMap;

use domain::{Credits, ItemId, Quantity, SagaId, Timestamp};
use engine::{
    Engine, EngineError,
    bulk::{self, RecordCount, Undone},
    keys::Partition,
    store::Store,
};
use futures::future::try_join_all;
use metrics::counter;
use process::Resources;
use saga::{
    Fingerprint, Quote, QuoteAnswer, Release, Released, Reserve, ReserveAnswer, SAGA_MISMATCHES, SettlePieces, Settled,
    Terms,
};
use tokio::time::Instant;

use crate::{
    decide::{
        Add, AddOutcome, Claim, Create, Init, ReleaseItems, ReserveClaims, SettleHolds, Subtract, SubtractOutcome,
        first_refusal,
    },
    keys::Keys,
    record::Item,
};

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
    keys: Keys,
    terms: Terms,
}

impl Stock {
    /// On this store and these lanes, with these terms.
    #[must_use]
    pub fn new(resources: Resources, terms: Terms) -> Self {
        Self {
            engine: resources.engine,
            store: resources.store,
            keys: Keys::new(resources.partitions),
            terms,
        }
    }

    /// How long words count and records stay.
    pub(crate) fn terms(&self) -> Terms {
        self.terms
    }

    /// Creates an item without pieces and returns its new id.
    pub(crate) async fn create(&self, price: Credits) -> Result<ItemId, EngineError> {
        self.store.admit()?;
        let item_id = ItemId::generate();
        let item = self.keys.item(&item_id);
        self.engine.submit(Create { item, price }).await?;
        Ok(item_id)
    }

    /// The item, where there is one.
    pub(crate) async fn find(&self, item_id: &ItemId) -> Result<Option<Item>, EngineError> {
        Ok(self.store.read(&self.keys.item(item_id)).await?)
    }

    /// Puts pieces into the stock.
    pub(crate) async fn add(&self, item_id: &ItemId, amount: Quantity) -> Result<AddOutcome, EngineError> {
        self.store.admit()?;
        let item = self.keys.item(item_id);
        self.engine.submit(Add { item, amount }).await
    }

    /// Takes pieces out of the stock.
    pub(crate) async fn subtract(&self, item_id: &ItemId, amount: Quantity) -> Result<SubtractOutcome, EngineError> {
        let item = self.keys.item(item_id);
        self.engine.submit(Subtract { item, amount }).await
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
                .map(|&number| (number, self.keys.item(&ItemId::numbered(number))))
                .collect(),
            stock,
            price,
        };
        Ok(bulk::in_chunks(&self.engine, self.keys.partitions(), count, init).await)
    }

    /// The price of an item.
    pub async fn quote(&self, quote: Quote) -> Result<QuoteAnswer, EngineError> {
        let item = self.find(&quote.item_id).await?;
        Ok(item.map_or(QuoteAnswer::UnknownItem, |item| QuoteAnswer::Price(item.price)))
    }

    /// Reserves all lines of a saga, or none.
    ///
    /// The partitions commit on their own. Where one refuses, the others are released before the answer, so
    /// a refusal means that nothing is held. Where a queue is full it waits for room until `until`.
    ///
    /// # Errors
    /// [`EngineError::Expired`] if the driver took the saga too long ago; see [`Terms::honour`].
    pub async fn reserve(&self, reserve: Reserve, until: Instant) -> Result<ReserveAnswer, EngineError> {
        let asker = Asker {
            saga_id: &reserve.saga_id,
            driven_since: reserve.driven_since,
            fingerprint: reserve.fingerprint,
        };
        let claims = self.claims(&reserve)?;
        let answers = try_join_all(claims.into_iter().map(async |(partition, claims)| {
            let item_ids: Vec<ItemId> = claims.iter().map(|claim| claim.item_id.clone()).collect();
            let command = ReserveClaims {
                partition,
                terms: self.terms,
                driven_since: asker.driven_since,
                fingerprint: asker.fingerprint,
                has_room: !self.store.is_nearly_full(),
                claims,
            };
            let answer = self.engine.submit_within(command, until).await?;
            Ok::<_, EngineError>((item_ids, answer))
        }))
        .await?;
        let (granted, refused): (Vec<_>, Vec<_>) = answers
            .into_iter()
            .partition(|(_, answer)| *answer == ReserveAnswer::Reserved);
        let Some(refusal) = first_refusal(refused.into_iter().map(|(_, answer)| answer)) else {
            return Ok(ReserveAnswer::Reserved);
        };
        if let ReserveAnswer::Mismatch { item_id } = &refusal {
            counter!(SAGA_MISMATCHES, "at" => "stock").increment(1);
            tracing::error!(saga = %reserve.saga_id, item = %item_id, "a saga's name holds something else; has order's store lost writes?");
        }
        let granted = granted.iter().flat_map(|(item_ids, _)| item_ids);
        self.release_items(asker, granted, until).await?;
        Ok(refusal)
    }

    /// Releases all items of a saga and refuses it for good. Where a queue is full it waits for room until `until`.
    ///
    /// # Errors
    /// [`EngineError::Expired`] if the driver took the saga too long ago; see [`Terms::honour`].
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
    /// [`EngineError::Expired`] if it is too early; see [`Terms::settle`].
    /// [`EngineError::Overloaded`] as long as there is much else to do.
    pub async fn settle(&self, settle: SettlePieces) -> Result<Settled, EngineError> {
        let mut of_partition: BTreeMap<Partition, Vec<_>> = BTreeMap::new();
        for item_id in &settle.item_ids {
            let hold = self.keys.hold(&settle.saga_id, item_id);
            of_partition.entry(hold.partition()).or_default().push(hold);
        }
        try_join_all(of_partition.into_iter().map(|(partition, holds)| {
            self.engine.submit_leaving_room(SettleHolds {
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
            let keys = (self.keys.item(item_id), self.keys.hold(asker.saga_id, item_id));
            of_partition
                .entry(keys.0.partition())
                .or_default()
                .insert(item_id, keys);
        }
        try_join_all(of_partition.into_iter().map(|(partition, items)| {
            let items = items.into_values().collect();
            let command = ReleaseItems {
                partition,
                terms: self.terms,
                driven_since: asker.driven_since,
                fingerprint: asker.fingerprint,
                items,
            };
            self.engine.submit_within(command, until)
        }))
        .await?;
        Ok(Released)
    }

    /// The saga's claims by partition, lines of one item summed.
    fn claims(&self, reserve: &Reserve) -> Result<BTreeMap<Partition, Vec<Claim>>, EngineError> {
        let mut of_item: BTreeMap<&ItemId, Quantity> = BTreeMap::new();
        for line in &reserve.lines {
            let sum = of_item.entry(&line.item_id).or_default();
            // An order takes no line that would make its sum too large.
            *sum = sum
                .checked_add(line.quantity)
                .ok_or_else(|| EngineError::Bug("a saga's lines of one item are too many to count".into()))?;
        }
        let mut of_partition: BTreeMap<Partition, Vec<Claim>> = BTreeMap::new();
        for (item_id, quantity) in of_item {
            let claim = Claim {
                item_id: item_id.clone(),
                item: self.keys.item(item_id),
                hold: self.keys.hold(&reserve.saga_id, item_id),
                quantity,
            };
            of_partition.entry(claim.item.partition()).or_default().push(claim);
        }
        Ok(of_partition)
    }
}
