//! What order does, for its HTTP side and for a process that embeds it.

use std::sync::Arc;

use domain::{ItemId, OrderId, Quantity, UserId};
use engine::{
    Engine, EngineConfig, EngineError, Lanes,
    bulk::{self, RecordCount, Undone},
    store::{Store, StoreConfig},
};
use process::{Foundation, StartError, Trouble, Vitals};
use saga::{Line, Quote, QuoteAnswer};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::{
    config::SagaConfig,
    decide::{AddItem, AddItemOutcome, Create, Init},
    drivers::Drivers,
    keys::Keys,
    metrics::OrderMetrics,
    participants::Participants,
    random_orders::RandomOrders,
    record::Order,
    recovery::Recovery,
    room::Room,
    saga::call,
};

/// The orders of a deployment, behind their engine, and the drivers of their sagas.
pub struct Orders {
    pub(crate) engine: Engine,
    pub(crate) store: Store,
    pub(crate) keys: Keys,
    pub(crate) participants: Participants,
    pub(crate) saga: SagaConfig,
    pub(crate) drivers: Drivers,
    pub(crate) room: Room,
    pub(crate) metrics: OrderMetrics,
}

/// How adding a line ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Added {
    /// What the order's record says.
    Decided(AddItemOutcome),
    /// Stock knows no such item.
    UnknownItem,
    /// Stock did not tell the price.
    NoPrice,
}

impl Orders {
    /// Claims the store and starts the lanes, unless `stop` comes first.
    pub async fn start(
        store: &StoreConfig,
        engine: &EngineConfig,
        saga: SagaConfig,
        participants: Participants,
        stop: &CancellationToken,
    ) -> Result<(Arc<Self>, Lanes), StartError> {
        let foundation = Foundation::start("order", store, engine, stop).await?;
        let orders = Self {
            engine: foundation.engine,
            store: foundation.store,
            keys: Keys::new(foundation.partitions),
            participants,
            drivers: Drivers::new(saga.max_checkouts),
            room: Room::default(),
            saga,
            metrics: OrderMetrics::new(),
        };
        Ok((Arc::new(orders), foundation.lanes))
    }

    /// What the service needs in order to do its work.
    #[must_use]
    pub fn vitals(&self) -> Vitals {
        Vitals {
            service: "order",
            store: self.store.clone(),
            lanes: self.engine.health(),
            trouble: Trouble::default(),
        }
    }

    /// The checkouts under way, to end them with the process.
    #[must_use]
    pub fn drivers(&self) -> Drivers {
        self.drivers.clone()
    }

    /// What takes over sagas that nobody drives, and settles those that are paid.
    #[must_use]
    pub fn recovery(self: &Arc<Self>) -> Recovery {
        Recovery::of(self.clone())
    }

    /// Creates an order without lines and returns its new id.
    pub async fn create(&self, user_id: UserId) -> Result<OrderId, EngineError> {
        self.store.admit()?;
        let order_id = OrderId::generate();
        let order = self.keys.order(&order_id);
        self.engine.submit(Create { order, user_id }).await?;
        Ok(order_id)
    }

    /// The order, where there is one.
    pub async fn find(&self, order_id: &OrderId) -> Result<Option<Order>, EngineError> {
        let order = self.keys.order(order_id);
        let found = timeout(self.saga.client_patience(), self.store.read(&order)).await;
        let found = found.map_err(|_| EngineError::Unavailable("a client's patience is over".into()))?;
        Ok(found?)
    }

    /// Adds a line at the present price.
    pub async fn add_item(
        &self,
        order_id: &OrderId,
        item_id: ItemId,
        quantity: Quantity,
    ) -> Result<Added, EngineError> {
        self.store.admit()?;
        let until = Instant::now() + self.saga.client_patience();
        let quote = || {
            self.participants.stock.quote(Quote {
                item_id: item_id.clone(),
            })
        };
        let price = match timeout_at(until, call(until, quote)).await {
            Ok(Ok(asked)) => match asked.answer {
                QuoteAnswer::Price(price) => price,
                QuoteAnswer::UnknownItem => return Ok(Added::UnknownItem),
            },
            Ok(Err(error)) => {
                tracing::warn!(%error, "stock did not tell a price");
                return Ok(Added::NoPrice);
            }
            Err(_) => return Ok(Added::NoPrice),
        };
        let order = self.keys.order(order_id);
        let line = Line { item_id, quantity };
        let added = timeout_at(until, self.engine.submit(AddItem { order, line, price })).await;
        // Its lane has the command, and goes on with it.
        let unheard = || EngineError::OutcomeUnknown("a client's patience is over".into());
        added.unwrap_or_else(|_| Err(unheard())).map(Added::Decided)
    }

    /// Creates random orders "0" to "count - 1". Those that are being checked out stay as they were.
    pub async fn init(&self, count: RecordCount, orders: RandomOrders) -> Result<Undone, EngineError> {
        self.store.admit()?;
        let init = |partition, numbers: &[u32]| Init {
            keys: self.keys.clone(),
            partition,
            orders: numbers.iter().map(|&number| orders.order(number)).collect(),
        };
        Ok(bulk::in_chunks(&self.engine, self.keys.partitions(), count, init).await)
    }
}
