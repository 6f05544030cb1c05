//! Taking over sagas whose driver is gone, and settling those that have been paid for long enough.
//!
//! Every order instance looks for sagas in flight that nobody has driven for a lease. Several may find the
//! same one: raising its epoch is one change of the order's record, so one of them gets it. Settling is safe
//! to repeat.

use std::ops::RangeInclusive;

use futures::{StreamExt, future::join_all, stream};
use rand::RngExt;
use shared::{
    clock::Timestamp,
    engine::EngineError,
    ids::SagaId,
    keys::{IndexKey, Partition},
    protocol::{FINISHED_KEPT, SettleCharge, SettlePieces},
};
use tokio_util::sync::CancellationToken;

use crate::{
    decide::{Forget, TakeOver, TakeOverOutcome},
    record::Sale,
    saga::{Driven, Stuck},
    service::Orders,
    standing::{Standing, paid_up_to, taken_from, taken_up_to},
};

/// How many sagas of a partition one round looks at.
const SAGAS_A_ROUND: i64 = 1_024;
/// How many sagas are driven at once.
const DRIVEN_AT_ONCE: usize = 64;

impl Orders {
    /// Recovers and settles sagas, round after round, until `stop`.
    pub async fn recover(self, stop: CancellationToken) {
        let pause = self.saga.recovery_interval();
        while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
            if let Err(error) = self.recover_round().await {
                tracing::warn!(%error, "unfinished sagas could not be looked for");
            }
        }
    }

    /// Takes over and drives every saga whose lease is over, and settles what has been paid for long enough.
    async fn recover_round(&self) -> Result<(), EngineError> {
        let mut partitions: Vec<Partition> = self.keys.partitions().all().collect();
        // Replicas that go different ways do less of each other's work.
        let first = rand::rng().random_range(0..partitions.len());
        partitions.rotate_left(first);
        for partition in partitions {
            stream::iter(self.overdue(partition).await?)
                .for_each_concurrent(DRIVEN_AT_ONCE, |saga_id| self.recover_saga(saga_id))
                .await;
            self.settle(partition).await?;
        }
        Ok(())
    }

    /// Lets the participants forget sagas that have been paid for long enough, and then forgets them.
    async fn settle(&self, partition: Partition) -> Result<(), EngineError> {
        let inflight = self.keys.inflight(partition);
        let now = self.store.now(&inflight).await?;
        let sagas = self.sagas(&inflight, paid_up_to(now.before(FINISHED_KEPT))).await?;
        let orders = sagas
            .iter()
            .map(|(saga_id, _)| self.keys.order(&saga_id.order))
            .collect();
        let orders = self.store.read_all(orders).await?;
        let sales = sagas
            .into_iter()
            .zip(orders)
            .filter_map(|((saga_id, standing), order)| {
                match order.map(|order| order.and_then(|order| order.sale(saga_id.attempt))) {
                    Ok(Some(sale)) => Some((saga_id, standing.since(), sale)),
                    // Neither may be, and one that a person has to look at must not keep the others waiting.
                    Ok(None) => {
                        tracing::error!(saga = %saga_id, "a saga in the index of paid ones is not paid");
                        None
                    }
                    Err(error) => {
                        tracing::error!(saga = %saga_id, %error, "a saga cannot be settled");
                        None
                    }
                }
            });
        let settled =
            join_all(sales.map(|(saga_id, paid_since, sale)| self.settle_saga(saga_id, paid_since, sale))).await;
        let saga_ids: Vec<SagaId> = settled.into_iter().flatten().collect();
        if saga_ids.is_empty() {
            return Ok(());
        }
        let forget = Forget {
            partition,
            inflight,
            saga_ids,
        };
        self.engine.submit(forget).await
    }

    /// The saga's id again, where both participants have settled it.
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
        let settled = tokio::try_join!(
            self.participants.stock.settle(pieces),
            self.participants.payment.settle(charge)
        );
        match settled {
            Ok(_) => Some(saga_id),
            Err(error) => {
                tracing::debug!(saga = %saga_id, %error, "a paid saga is not settled yet");
                None
            }
        }
    }

    /// The partition's sagas that were taken a lease ago or more, or as far in the future: before the store's clock was
    /// set back. To wait until that time comes would be to leave them alone for as long as it was off.
    async fn overdue(&self, partition: Partition) -> Result<Vec<SagaId>, EngineError> {
        let inflight = self.keys.inflight(partition);
        let (now, lease) = (self.store.now(&inflight).await?, self.saga.lease());
        let mut sagas = self.sagas(&inflight, taken_up_to(now.before(lease))).await?;
        sagas.extend(self.sagas(&inflight, taken_from(now.after(lease))).await?);
        Ok(sagas.into_iter().map(|(saga_id, _)| saga_id).collect())
    }

    async fn sagas(
        &self,
        index: &IndexKey,
        scores: RangeInclusive<f64>,
    ) -> Result<Vec<(SagaId, Standing)>, EngineError> {
        let members = self.store.members(index, scores, SAGAS_A_ROUND).await?;
        let parse = |(member, score): (String, f64)| match member.parse() {
            Ok(saga_id) => Some((saga_id, Standing::of(score))),
            Err(error) => {
                tracing::error!(%error, member, index = %index.name(), "an index holds something else than a saga");
                None
            }
        };
        Ok(members.into_iter().filter_map(parse).collect())
    }

    #[tracing::instrument(name = "recovery", skip_all, fields(saga = %saga_id))]
    async fn recover_saga(&self, saga_id: SagaId) {
        match self.take_over(saga_id).await {
            Ok(None) => {}
            Ok(Some(driven)) => tracing::info!(?driven, "took a saga over"),
            Err(error) => tracing::warn!(%error, "a saga that was taken over is not finished yet"),
        }
    }

    async fn take_over(&self, saga_id: SagaId) -> Result<Option<Driven>, Stuck> {
        let take_over = TakeOver {
            keys: self.keys.saga(&saga_id.order),
            saga_id,
            lease: self.saga.lease(),
            deadline: self.saga.deadline(),
        };
        match self.engine.submit(take_over).await? {
            TakeOverOutcome::Taken(saga, course) => {
                self.metrics.taken_over.increment(1);
                self.drive(&saga, course).await.map(Some)
            }
            TakeOverOutcome::NotYet | TakeOverOutcome::Finished | TakeOverOutcome::Paid => Ok(None),
        }
    }
}
