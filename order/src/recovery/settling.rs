//! Sagas that have been paid for so long that nobody asks for them any more.

use std::convert::Infallible;

use domain::{SagaId, Timestamp};
use engine::{EngineError, keys::Partition, store::End};
use futures::{StreamExt, stream};
use saga::{SettleCharge, SettlePieces};
use tokio::time::timeout;

use super::pages::{Entry, Pages, Place, Rest};
use crate::{decide::Forget, inflight::paid_up_to, record::Sale, service::Orders};

/// Lets the participants forget the paid sagas of one partition, and then forgets them.
pub(super) struct Settling {
    orders: Orders,
    partition: Partition,
    pages: Pages,
    place: Place,
}

impl Settling {
    pub(super) fn new(orders: Orders, partition: Partition) -> Self {
        Self {
            pages: Pages::new(orders.clone(), partition),
            orders,
            partition,
            place: Place::default(),
        }
    }

    pub(super) async fn run(mut self) -> Infallible {
        loop {
            self.orders.pause().await;
            while self.look().await == Rest::More {}
        }
    }

    /// Settles what was paid first. The later a saga was paid, the lower is its score.
    async fn look(&mut self) -> Rest {
        let Some(now) = self.pages.now().await else {
            return Rest::None;
        };
        let paid = paid_up_to(now.before(self.orders.config.terms.finished_retention.duration()));
        let Some(page) = self.pages.read(paid, End::Highest, self.place).await else {
            return Rest::None;
        };
        let seen = page.seen;
        let asked: Vec<_> = page
            .sagas
            .iter()
            .map(|entry| (&entry.saga_id, entry.order.as_ref()))
            .collect();
        let sold = match self.orders.sales(&asked).await {
            Ok(sold) => sold,
            Err(error) => {
                self.pages.failed(&error);
                return Rest::None;
            }
        };
        let mut sales = Vec::with_capacity(page.sagas.len());
        for (Entry { saga_id, inflight, .. }, sold) in page.sagas.into_iter().zip(sold) {
            match sold {
                Ok(Some(sale)) => sales.push((saga_id, inflight.since(), sale)),
                Ok(None) => self.pages.tell(saga_id.to_string(), &"it is not paid"),
                Err(error) => self.pages.tell(saga_id.to_string(), &error),
            }
        }
        let settled = self.settle(sales).await;
        let left = seen - settled.len();
        if let Err(error) = self.forget(settled).await {
            self.pages.failed(&error);
            return Rest::None;
        }
        self.place.go_on(seen, left)
    }

    /// The sagas that both participants have settled.
    async fn settle(&self, sales: Vec<(SagaId, Timestamp, Sale)>) -> Vec<SagaId> {
        stream::iter(sales)
            .map(|(saga_id, paid_since, sale)| self.settle_saga(saga_id, paid_since, sale))
            .buffer_unordered(self.orders.at_once())
            .filter_map(std::future::ready)
            .collect()
            .await
    }

    /// The saga's id again, if both participants have settled it within a lease.
    async fn settle_saga(&self, saga_id: SagaId, paid_since: Timestamp, sale: Sale) -> Option<SagaId> {
        let pieces = SettlePieces {
            saga_id: saga_id.clone(),
            paid_since,
            item_ids: sale.lines.into_iter().map(|line| line.item_id).collect(),
        };
        let charge = SettleCharge {
            saga_id: saga_id.clone(),
            paid_since,
            user_id: sale.user_id,
        };
        let participants = &self.orders.participants;
        let settled =
            async { tokio::try_join!(participants.stock.settle(pieces), participants.payment.settle(charge)) };
        match timeout(self.orders.config.leases().first(), settled).await {
            Ok(Ok(_)) => return Some(saga_id),
            Ok(Err(error)) => tracing::debug!(saga = %saga_id, %error, "a paid saga is not settled yet"),
            Err(_) => tracing::debug!(saga = %saga_id, "a paid saga is not settled yet: no answer"),
        }
        None
    }

    async fn forget(&self, saga_ids: Vec<SagaId>) -> Result<(), EngineError> {
        if saga_ids.is_empty() {
            return Ok(());
        }
        let forget = Forget {
            partition: self.partition,
            inflight: self.pages.index().clone(),
            saga_ids,
        };
        self.orders.engine.submit(forget).await
    }
}
