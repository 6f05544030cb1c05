//! What stock does, for its HTTP side and for a process that embeds it.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use shared::{
    amounts::{Credits, Quantity},
    bulk::{self, RecordCount},
    clock::Timestamp,
    engine::{Engine, EngineConfig, EngineError, Lanes},
    http::Vitals,
    ids::{ItemId, SagaId},
    keys::Partition,
    protocol::{Quote, QuoteAnswer, Release, Released, Reserve, ReserveAnswer, SettlePieces, Settled},
    service::{Foundation, StartError},
    store::{Store, StoreConfig},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    decide::{
        Add, AddOutcome, Claim, Create, Init, InitOutcome, ReleaseItems, ReserveClaims, SettleHolds, Subtract,
        SubtractOutcome,
    },
    keys::Keys,
    record::Item,
};

/// The stock of a deployment, behind its engine.
#[derive(Clone)]
pub struct Stock {
    engine: Engine,
    store: Store,
    keys: Keys,
}

impl Stock {
    /// Claims the store and starts the lanes, unless `stop` comes first.
    pub async fn start(
        store: &StoreConfig,
        engine: &EngineConfig,
        stop: &CancellationToken,
    ) -> Result<(Self, Lanes), StartError> {
        let foundation = Foundation::start("stock", store, engine, stop).await?;
        let stock = Self {
            engine: foundation.engine,
            store: foundation.store,
            keys: Keys::new(foundation.partitions),
        };
        Ok((stock, foundation.lanes))
    }

    /// What the service needs in order to do its work.
    #[must_use]
    pub fn vitals(&self) -> Vitals {
        Vitals {
            service: "stock",
            store: self.store.clone(),
            lanes: self.engine.health(),
        }
    }

    /// The store, for the health check.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Creates an item without pieces and returns its new id.
    pub async fn create(&self, price: Credits) -> Result<ItemId, EngineError> {
        let item_id = ItemId::generate();
        let item = self.keys.item(&item_id);
        self.engine.submit(Create { item, price }).await?;
        Ok(item_id)
    }

    /// The item, where there is one.
    pub async fn find(&self, item_id: &ItemId) -> Result<Option<Item>, EngineError> {
        self.store.read(&self.keys.item(item_id)).await
    }

    /// Puts pieces into the stock.
    pub async fn add(&self, item_id: &ItemId, amount: Quantity) -> Result<AddOutcome, EngineError> {
        let item = self.keys.item(item_id);
        self.engine.submit(Add { item, amount }).await
    }

    /// Takes pieces out of the stock.
    pub async fn subtract(&self, item_id: &ItemId, amount: Quantity) -> Result<SubtractOutcome, EngineError> {
        let item = self.keys.item(item_id);
        self.engine.submit(Subtract { item, amount }).await
    }

    /// Creates the items "0" to "count - 1", or sets them to this stock and price.
    ///
    /// Returns [`InitOutcome::Overflow`] where an item's sum would be too large; such items stay as they were.
    pub async fn init(&self, count: RecordCount, stock: Quantity, price: Credits) -> Result<InitOutcome, EngineError> {
        let outcomes = bulk::in_chunks(&self.engine, self.keys.partitions(), count, |partition, numbers| Init {
            partition,
            items: numbers
                .into_iter()
                .map(|number| self.keys.item(&ItemId::numbered(number)))
                .collect(),
            stock,
            price,
        })
        .await?;
        Ok(outcomes
            .into_iter()
            .find(|outcome| *outcome == InitOutcome::Overflow)
            .unwrap_or(InitOutcome::Done))
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
    /// [`EngineError::Expired`] if the driver took the saga too long ago; see [`honoured`](shared::protocol::honoured).
    pub async fn reserve(&self, reserve: Reserve, until: Instant) -> Result<ReserveAnswer, EngineError> {
        let driven_since = reserve.driven_since;
        let claims = self.claims(&reserve)?;
        let answers = try_join_all(claims.into_iter().map(async |(partition, claims)| {
            let item_ids: Vec<ItemId> = claims.iter().map(|claim| claim.item_id.clone()).collect();
            let command = ReserveClaims {
                partition,
                driven_since,
                claims,
            };
            let answer = self.engine.submit_within(command, until).await?;
            Ok::<_, EngineError>((item_ids, answer))
        }))
        .await?;
        let (granted, refused): (Vec<_>, Vec<_>) = answers
            .into_iter()
            .partition(|(_, answer)| *answer == ReserveAnswer::Reserved);
        let Some((_, refusal)) = refused.into_iter().next() else {
            return Ok(ReserveAnswer::Reserved);
        };
        let granted = granted.iter().flat_map(|(item_ids, _)| item_ids);
        self.release_items(&reserve.saga_id, driven_since, granted, until)
            .await?;
        Ok(refusal)
    }

    /// Releases all items of a saga and refuses it for good. Where a queue is full it waits for room until `until`.
    ///
    /// # Errors
    /// [`EngineError::Expired`] if the driver took the saga too long ago; see [`honoured`](shared::protocol::honoured).
    pub async fn release(&self, release: Release, until: Instant) -> Result<Released, EngineError> {
        self.release_items(&release.saga_id, release.driven_since, release.item_ids.iter(), until)
            .await
    }

    /// Forgets what a paid saga holds. That can wait, so it takes nobody's place.
    ///
    /// # Errors
    /// [`EngineError::Expired`] if it is too early; see [`settleable`](shared::protocol::settleable).
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
                paid_since: settle.paid_since,
                holds,
            })
        }))
        .await?;
        Ok(Settled)
    }

    async fn release_items(
        &self,
        saga_id: &SagaId,
        driven_since: Timestamp,
        item_ids: impl Iterator<Item = &ItemId>,
        until: Instant,
    ) -> Result<Released, EngineError> {
        let mut of_partition: BTreeMap<Partition, BTreeMap<&ItemId, _>> = BTreeMap::new();
        for item_id in item_ids {
            let keys = (self.keys.item(item_id), self.keys.hold(saga_id, item_id));
            of_partition
                .entry(keys.0.partition())
                .or_default()
                .insert(item_id, keys);
        }
        try_join_all(of_partition.into_iter().map(|(partition, items)| {
            let items = items.into_values().collect();
            let command = ReleaseItems {
                partition,
                driven_since,
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
