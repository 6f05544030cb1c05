//! What order does, for its HTTP side and for a process that embeds it.

use std::{ops::Deref, sync::Arc};

use bus::{Topic, feed::LiveFeed};
use domain::{Credits, ItemId, OrderId, UserId};
use engine::{
    Engine, EngineError, KeyedRequest, Once,
    bulk::{self, RecordCount, Undone},
    keys::Partition,
    read_kept,
    store::Store,
};
use process::Resources;
use saga::{Line, Quote, QuoteAnswer};
use tokio::time::{Instant, timeout, timeout_at};

use crate::{
    config::SagaConfig,
    decide::{AddItem, Create, Init},
    drivers::Drivers,
    keys::Keys,
    metrics::OrderMetrics,
    participants::Participants,
    problems::Refusal,
    random_orders::RandomOrders,
    record::Order,
    room::Room,
    saga::{Driver, call},
};

/// The orders of a deployment, and the drivers of their sagas. Cheap to clone.
#[derive(Clone)]
pub struct Orders(Arc<Shared>);

/// What all clones of [`Orders`] share: one allocation, since each checkout holds a clone.
pub struct Shared {
    pub(crate) engine: Engine,
    pub(crate) store: Store,
    pub(crate) keys: Keys,
    pub(crate) participants: Participants,
    pub(crate) driver: Driver,
    pub(crate) config: SagaConfig,
    pub(crate) drivers: Drivers,
    pub(crate) room: Room,
    pub(crate) metrics: OrderMetrics,
    /// Orders' events as they come, if there is a bus.
    pub(crate) live: Option<LiveFeed>,
}

impl Deref for Orders {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Orders {
    /// On this store and these lanes, with these participants of its sagas.
    #[must_use]
    pub fn new(resources: Resources, config: SagaConfig, participants: Participants) -> Self {
        let (keys, metrics) = (Keys::new(resources.partitions), OrderMetrics::new());
        let topic = Topic::of(resources.service);
        let live = resources
            .bus
            .map(|bus| LiveFeed::new(bus, topic, config.max_event_streams as usize));
        Self(Arc::new(Shared {
            driver: Driver {
                engine: resources.engine.clone(),
                keys: keys.clone(),
                participants: participants.clone(),
                lease: config.leases().first(),
                broken: metrics.broken.clone(),
            },
            live,
            engine: resources.engine,
            store: resources.store,
            keys,
            participants,
            drivers: Drivers::new(config.max_checkouts),
            room: Room::default(),
            config,
            metrics,
        }))
    }

    /// Creates an order without lines and returns its new id.
    pub(crate) async fn create(
        &self,
        user_id: UserId,
        request: Option<&KeyedRequest>,
    ) -> Result<Once<OrderId>, EngineError> {
        self.store.admit()?;
        let order_id = self.keys.partitions().generate_for(request, OrderId::generate);
        let command = Create {
            order: self.keys.order(&order_id),
            order_id,
            user_id,
        };
        self.engine.submit_once(command, request).await
    }

    /// The order, if there is one.
    pub(crate) async fn find(&self, order_id: &OrderId) -> Result<Option<Order>, EngineError> {
        let order = self.keys.order(order_id);
        let found = timeout(self.config.client_patience.duration(), self.store.read(&order)).await;
        let found = found.map_err(|_| EngineError::Unavailable("a client's patience is over".into()))?;
        Ok(found?)
    }

    /// Adds a line at the present price. A repeat hears what the first request did, whatever the price is now.
    pub(crate) async fn add_item(
        &self,
        order_id: &OrderId,
        line: Line,
        request: Option<&KeyedRequest>,
    ) -> Result<Once<Result<Credits, Refusal>>, EngineError> {
        self.store.admit()?;
        let deadline = Instant::now() + self.config.client_patience.duration();
        let order = self.keys.order(order_id);
        let price = match self.price(&line.item_id, deadline).await {
            Ok(price) => price,
            Err(refusal) => {
                let kept = self.kept_of_add_item(order.partition(), request).await?;
                return Ok(kept.unwrap_or(Once::First(Err(refusal))));
            }
        };
        let command = AddItem {
            order_id: order_id.clone(),
            order,
            line,
            price,
        };
        let added = timeout_at(deadline, self.engine.submit_once(command, request)).await;
        // Its lane has the command, and goes on with it.
        let unheard = || EngineError::OutcomeUnknown("a client's patience is over".into());
        added.unwrap_or_else(|_| Err(unheard()))
    }

    /// What an item costs now.
    async fn price(&self, item_id: &ItemId, deadline: Instant) -> Result<Credits, Refusal> {
        let quote = || {
            self.participants.stock.quote(Quote {
                item_id: item_id.clone(),
            })
        };
        match timeout_at(deadline, call(deadline, quote)).await {
            Ok(Ok(asked)) => match asked.answer {
                QuoteAnswer::Price(price) => Ok(price),
                QuoteAnswer::UnknownItem => Err(Refusal::UnknownItem(item_id.clone())),
            },
            Ok(Err(error)) => {
                tracing::warn!(%error, "stock did not tell a price");
                Err(Refusal::NoPrice(item_id.clone()))
            }
            Err(_) => Err(Refusal::NoPrice(item_id.clone())),
        }
    }

    /// What the request did if it came before: a repeat needs no price.
    async fn kept_of_add_item(
        &self,
        partition: Partition,
        request: Option<&KeyedRequest>,
    ) -> Result<Option<Once<Result<Credits, Refusal>>>, EngineError> {
        match request {
            Some(request) => Ok(read_kept(&self.store, self.keys.partitions(), partition, request).await?),
            None => Ok(None),
        }
    }

    /// Creates random orders "0" to "count - 1". Those that are being checked out stay as they were.
    pub(crate) async fn init(&self, count: RecordCount, orders: RandomOrders) -> Result<Undone, EngineError> {
        self.store.admit()?;
        let init = |partition, numbers: &[u32]| Init {
            keys: self.keys.clone(),
            partition,
            orders: numbers.iter().map(|&number| orders.order(number)).collect(),
        };
        Ok(bulk::in_chunks(&self.engine, self.keys.partitions(), count, init).await)
    }
}
