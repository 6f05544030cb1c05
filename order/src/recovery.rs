//! Taking over sagas whose driver is gone.
//!
//! Every order instance looks for sagas in flight that nobody has driven for a lease. Several may find the
//! same one: raising its epoch is one change of the order's record, so one of them gets it.

use futures::{StreamExt, stream};
use shared::{clock::Timestamp, engine::EngineError, ids::SagaId, keys::Partition};
use tokio_util::sync::CancellationToken;

use crate::{
    decide::{TakeOver, TakeOverOutcome},
    saga::{Driven, Stuck},
    service::Orders,
};

/// How many sagas of a partition one round takes over.
const SAGAS_A_ROUND: i64 = 256;
/// How many sagas are driven at once.
const DRIVEN_AT_ONCE: usize = 64;

impl Orders {
    /// Recovers sagas, round after round, until `stop`.
    pub async fn recover(self, stop: CancellationToken) {
        let pause = self.saga.recovery_interval();
        while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
            if let Err(error) = self.recover_round().await {
                tracing::warn!(%error, "unfinished sagas could not be looked for");
            }
        }
    }

    /// Takes over and drives every saga whose lease is over.
    async fn recover_round(&self) -> Result<(), EngineError> {
        let over = Timestamp::now().before(self.saga.lease());
        for partition in self.keys.partitions().all() {
            let sagas = self.overdue(partition, over).await?;
            stream::iter(sagas)
                .for_each_concurrent(DRIVEN_AT_ONCE, |saga_id| self.recover_saga(saga_id))
                .await;
        }
        Ok(())
    }

    async fn overdue(&self, partition: Partition, since: Timestamp) -> Result<Vec<SagaId>, EngineError> {
        let inflight = self.keys.inflight(partition);
        let members = self
            .store
            .members_up_to(&inflight, since.score(), SAGAS_A_ROUND)
            .await?;
        let parse = |member: String| match member.parse() {
            Ok(saga_id) => Some(saga_id),
            Err(error) => {
                tracing::error!(%error, member, index = %inflight.name(), "an index holds something else than a saga");
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
            now: Timestamp::now(),
            lease: self.saga.lease(),
            deadline: self.saga.deadline(),
        };
        match self.engine.submit(take_over).await? {
            TakeOverOutcome::Taken(saga, course) => {
                self.metrics.taken_over.increment(1);
                self.drive(&saga, course).await.map(Some)
            }
            TakeOverOutcome::NotYet | TakeOverOutcome::Finished => Ok(None),
        }
    }
}
