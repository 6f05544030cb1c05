//! What payment does, for its HTTP side and for a process that embeds it.

use domain::{Credits, UserId};
use engine::{
    Engine, EngineError,
    bulk::{self, RecordCount, Undone},
    store::Store,
};
use metrics::counter;
use process::Resources;
use saga::{Charge, ChargeAnswer, Refund, Refunded, SAGA_MISMATCHES, SettleCharge, Settled, Terms};
use tokio::time::Instant;

use crate::{
    decide::{AddFunds, AddFundsOutcome, ChargeAccount, Create, Init, Pay, PayOutcome, RefundAccount, SettleHold},
    keys::Keys,
    record::Account,
};

/// The accounts of a deployment, behind their engine.
#[derive(Clone)]
pub struct Payment {
    engine: Engine,
    store: Store,
    keys: Keys,
    terms: Terms,
}

impl Payment {
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

    /// Opens an account without credit and returns its user's new id.
    pub(crate) async fn create(&self) -> Result<UserId, EngineError> {
        self.store.admit()?;
        let user_id = UserId::generate();
        let account = self.keys.account(&user_id);
        self.engine.submit(Create { account }).await?;
        Ok(user_id)
    }

    /// The user's account, where there is one.
    pub(crate) async fn find(&self, user_id: &UserId) -> Result<Option<Account>, EngineError> {
        Ok(self.store.read(&self.keys.account(user_id)).await?)
    }

    /// Adds to a user's credit.
    pub(crate) async fn add_funds(&self, user_id: &UserId, amount: Credits) -> Result<AddFundsOutcome, EngineError> {
        self.store.admit()?;
        let account = self.keys.account(user_id);
        self.engine.submit(AddFunds { account, amount }).await
    }

    /// Takes from a user's credit, outside of any checkout.
    pub(crate) async fn pay(&self, user_id: &UserId, amount: Credits) -> Result<PayOutcome, EngineError> {
        let account = self.keys.account(user_id);
        self.engine.submit(Pay { account, amount }).await
    }

    /// Opens the accounts of the users "0" to "count - 1", or sets them to this credit. An account whose sum would be too
    /// large stays as it was.
    pub(crate) async fn init(&self, count: RecordCount, credit: Credits) -> Result<Undone, EngineError> {
        self.store.admit()?;
        let init = |partition, numbers: &[u32]| Init {
            partition,
            accounts: numbers
                .iter()
                .map(|&number| (number, self.keys.account(&UserId::numbered(number))))
                .collect(),
            credit,
        };
        Ok(bulk::in_chunks(&self.engine, self.keys.partitions(), count, init).await)
    }

    /// Takes a saga's total from a user's credit, at most once. Where the queue is full it waits for room until `until`.
    ///
    /// # Errors
    /// [`EngineError::Expired`] if the driver took the saga too long ago; see [`Terms::honour`].
    pub async fn charge(&self, charge: Charge, until: Instant) -> Result<ChargeAnswer, EngineError> {
        let command = ChargeAccount {
            account: self.keys.account(&charge.user_id),
            hold: self.keys.hold(&charge.saga_id, &charge.user_id),
            terms: self.terms,
            driven_since: charge.driven_since,
            fingerprint: charge.fingerprint,
            has_room: !self.store.is_nearly_full(),
            amount: charge.amount,
        };
        let answer = self.engine.submit_within(command, until).await?;
        if answer == ChargeAnswer::Mismatch {
            counter!(SAGA_MISMATCHES, "at" => "payment").increment(1);
            tracing::error!(saga = %charge.saga_id, user = %charge.user_id, "a saga's name has paid for something else; has order's store lost writes?");
        }
        Ok(answer)
    }

    /// Gives back what a saga took, and refuses it for good. Where the queue is full it waits for room until `until`.
    ///
    /// # Errors
    /// [`EngineError::Expired`] if the driver took the saga too long ago; see [`Terms::honour`].
    pub async fn refund(&self, refund: Refund, until: Instant) -> Result<Refunded, EngineError> {
        let command = RefundAccount {
            account: self.keys.account(&refund.user_id),
            hold: self.keys.hold(&refund.saga_id, &refund.user_id),
            terms: self.terms,
            driven_since: refund.driven_since,
            fingerprint: refund.fingerprint,
        };
        self.engine.submit_within(command, until).await
    }

    /// Forgets a paid saga's charge. That can wait, so it takes nobody's place.
    ///
    /// # Errors
    /// [`EngineError::Expired`] if it is too early; see [`Terms::settle`].
    /// [`EngineError::Overloaded`] as long as there is much else to do.
    pub async fn settle(&self, settle: SettleCharge) -> Result<Settled, EngineError> {
        let hold = self.keys.hold(&settle.saga_id, &settle.user_id);
        let paid_since = settle.paid_since;
        let command = SettleHold {
            hold,
            terms: self.terms,
            paid_since,
        };
        self.engine.submit_leaving_room(command).await
    }
}
