//! What payment does, for its HTTP side and for a process that embeds it.

use shared::{
    amounts::Credits,
    bulk::{self, RecordCount},
    clock::Timestamp,
    engine::{Engine, EngineConfig, EngineError, Lanes},
    ids::UserId,
    protocol::{Charge, ChargeAnswer, Refund, Refunded, SettleCharge, Settled, StepError, honour},
    service::{Foundation, StartError},
    store::{Store, StoreConfig},
};

use crate::{
    decide::{
        AddFunds, AddFundsOutcome, ChargeAccount, Create, Init, InitOutcome, Pay, PayOutcome, RefundAccount, SettleHold,
    },
    keys::Keys,
    record::Account,
};

/// The accounts of a deployment, behind their engine.
#[derive(Clone)]
pub struct Payment {
    engine: Engine,
    store: Store,
    keys: Keys,
}

impl Payment {
    /// Claims the store and starts the lanes.
    pub async fn start(store: &StoreConfig, engine: &EngineConfig) -> Result<(Self, Lanes), StartError> {
        let foundation = Foundation::start("payment", store, engine).await?;
        let payment = Self {
            engine: foundation.engine,
            store: foundation.store,
            keys: Keys::new(foundation.partitions),
        };
        Ok((payment, foundation.lanes))
    }

    /// The store, for the health check.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Opens an account without credit and returns its user's new id.
    pub async fn create(&self) -> Result<UserId, EngineError> {
        let user_id = UserId::generate();
        let account = self.keys.account(&user_id);
        self.engine.submit(Create { account }).await?;
        Ok(user_id)
    }

    /// The user's account, where there is one.
    pub async fn find(&self, user_id: &UserId) -> Result<Option<Account>, EngineError> {
        self.store.read(&self.keys.account(user_id)).await
    }

    /// Adds to a user's credit.
    pub async fn add_funds(&self, user_id: &UserId, amount: Credits) -> Result<AddFundsOutcome, EngineError> {
        let account = self.keys.account(user_id);
        self.engine.submit(AddFunds { account, amount }).await
    }

    /// Takes from a user's credit, outside of any checkout.
    pub async fn pay(&self, user_id: &UserId, amount: Credits) -> Result<PayOutcome, EngineError> {
        let account = self.keys.account(user_id);
        self.engine.submit(Pay { account, amount }).await
    }

    /// Opens the accounts of the users "0" to "count - 1", or sets them to this credit.
    ///
    /// Returns [`InitOutcome::Overflow`] where a user's sum would be too large; such accounts stay as they were.
    pub async fn init(&self, count: RecordCount, credit: Credits) -> Result<InitOutcome, EngineError> {
        let outcomes = bulk::in_chunks(&self.engine, self.keys.partitions(), count, |partition, numbers| Init {
            partition,
            accounts: numbers
                .into_iter()
                .map(|number| self.keys.account(&UserId::numbered(number)))
                .collect(),
            credit,
        })
        .await?;
        Ok(outcomes
            .into_iter()
            .find(|outcome| *outcome == InitOutcome::Overflow)
            .unwrap_or(InitOutcome::Done))
    }

    /// Takes a saga's total from a user's credit, at most once.
    ///
    /// # Errors
    /// See [`StepError`].
    pub async fn charge(&self, charge: Charge) -> Result<ChargeAnswer, StepError> {
        honour(charge.driven_since, Timestamp::now())?;
        let command = ChargeAccount {
            account: self.keys.account(&charge.user_id),
            hold: self.keys.hold(&charge.saga_id, &charge.user_id),
            amount: charge.amount,
        };
        Ok(self.engine.submit(command).await?)
    }

    /// Gives back what a saga took, and refuses it for good.
    ///
    /// # Errors
    /// See [`StepError`].
    pub async fn refund(&self, refund: Refund) -> Result<Refunded, StepError> {
        honour(refund.driven_since, Timestamp::now())?;
        let command = RefundAccount {
            account: self.keys.account(&refund.user_id),
            hold: self.keys.hold(&refund.saga_id, &refund.user_id),
        };
        Ok(self.engine.submit(command).await?)
    }

    /// Forgets a paid saga's charge, which must have been paid for [`FINISHED_KEPT`](shared::protocol::FINISHED_KEPT).
    pub async fn settle(&self, settle: SettleCharge) -> Result<Settled, EngineError> {
        let hold = self.keys.hold(&settle.saga_id, &settle.user_id);
        self.engine.submit(SettleHold { hold }).await
    }
}
