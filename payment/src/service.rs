//! What payment does, for its HTTP side and for a process that embeds it.

use domain::{Credits, UserId};
use engine::{
    Engine, EngineError, KeyedRequest, Once,
    bulk::{self, RecordCount, Undone},
    keys::Partitions,
    store::Store,
};
use ledger::{Claim, GiveBack, Reason, Settle, Take, Terms};
use metrics::counter;
use process::Resources;
use saga::{Charge, ChargeAnswer, OpenAccount, Opened, Refund, Refunded, SAGA_MISMATCHES, SettleCharge, Settled};
use tokio::time::Instant;

use crate::{
    decide::{AddFunds, Create, Init, Open, Pay},
    keys::Keys,
    problems::Refusal,
    record::Account,
};

/// The accounts of a deployment, behind their engine.
#[derive(Clone)]
pub struct Payment {
    engine: Engine,
    store: Store,
    partitions: Partitions,
    terms: Terms,
}

impl Payment {
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

    /// Opens an account without credit and returns its user's new id.
    pub(crate) async fn create(&self, request: Option<&KeyedRequest>) -> Result<Once<UserId>, EngineError> {
        self.store.admit()?;
        let user_id = self.partitions.generate_for(request, UserId::generate);
        let account = self.partitions.account(&user_id);
        self.engine.submit_once(Create { user_id, account }, request).await
    }

    /// The user's account.
    pub(crate) async fn find(&self, user_id: &UserId) -> Result<Result<Account, Refusal>, EngineError> {
        let account = self.store.read(&self.partitions.account(user_id)).await?;
        Ok(account.ok_or_else(|| Refusal::UnknownUser(user_id.clone())))
    }

    /// Adds to a user's credit.
    pub(crate) async fn add_funds(
        &self,
        user_id: &UserId,
        amount: Credits,
        request: Option<&KeyedRequest>,
    ) -> Result<Once<Result<Credits, Refusal>>, EngineError> {
        self.store.admit()?;
        let command = AddFunds {
            user_id: user_id.clone(),
            account: self.partitions.account(user_id),
            amount,
        };
        self.engine.submit_once(command, request).await
    }

    /// Takes from a user's credit. Only a request that is to be remembered needs room.
    pub(crate) async fn pay(
        &self,
        user_id: &UserId,
        amount: Credits,
        request: Option<&KeyedRequest>,
    ) -> Result<Once<Result<Credits, Refusal>>, EngineError> {
        if request.is_some() {
            self.store.admit()?;
        }
        let command = Pay {
            user_id: user_id.clone(),
            account: self.partitions.account(user_id),
            amount,
        };
        self.engine.submit_once(command, request).await
    }

    /// Opens the accounts of the users "0" to "count - 1", or sets them to this credit. An account whose sum would be too
    /// large stays as it was.
    pub(crate) async fn init(&self, count: RecordCount, credit: Credits) -> Result<Undone, EngineError> {
        self.store.admit()?;
        let init = |partition, numbers: &[u32]| Init {
            partition,
            accounts: numbers
                .iter()
                .map(|&number| (number, self.partitions.account(&UserId::numbered(number))))
                .collect(),
            credit,
        };
        Ok(bulk::in_chunks(&self.engine, &self.partitions, count, init).await)
    }

    /// Opens a user's account, if there is none. If the queue is full, it waits for room until `until`.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn open(&self, open: OpenAccount, until: Instant) -> Result<Opened, EngineError> {
        self.store.admit()?;
        let account = self.partitions.account(&open.user_id);
        self.engine.submit_within(Open { account }, until).await?;
        Ok(Opened)
    }

    /// Takes a saga's total from a user's credit, at most once. If the queue is full, it waits for room until `until`.
    ///
    /// # Errors
    /// [`EngineError::Expired`] if the driver took the saga too long ago; see [`Terms::drive_validity`].
    pub async fn charge(&self, charge: Charge, until: Instant) -> Result<ChargeAnswer, EngineError> {
        let claim = Claim {
            record: self.partitions.account(&charge.user_id),
            hold: self.partitions.hold(&charge.saga_id, &charge.user_id),
            amount: charge.amount,
        };
        let command = Take {
            partition: claim.record.partition(),
            terms: self.terms,
            driven_since: charge.driven_since,
            saga_id: charge.saga_id.clone(),
            fingerprint: charge.fingerprint,
            has_room: !self.store.is_nearly_full(),
            claims: vec![claim],
        };
        let Err(denial) = self.engine.submit_within(command, until).await? else {
            return Ok(ChargeAnswer::Charged);
        };
        if denial.reason == Reason::Mismatch {
            counter!(SAGA_MISMATCHES, "at" => "payment").increment(1);
            tracing::error!(saga = %charge.saga_id, user = %charge.user_id, "a saga's name has paid for something else; has order's store lost writes?");
        }
        Ok(refused(denial.reason))
    }

    /// Gives back what a saga took, and refuses it for good. If the queue is full, it waits for room until `until`.
    ///
    /// # Errors
    /// [`EngineError::Expired`] if the driver took the saga too long ago; see [`Terms::drive_validity`].
    pub async fn refund(&self, refund: Refund, until: Instant) -> Result<Refunded, EngineError> {
        let account = self.partitions.account(&refund.user_id);
        let hold = self.partitions.hold(&refund.saga_id, &refund.user_id);
        let command = GiveBack {
            partition: account.partition(),
            terms: self.terms,
            driven_since: refund.driven_since,
            saga_id: refund.saga_id.clone(),
            fingerprint: refund.fingerprint,
            holds: vec![(account, hold)],
        };
        self.engine.submit_within(command, until).await?;
        Ok(Refunded)
    }

    /// Forgets a paid saga's charge. That can wait, so it takes nobody's place.
    ///
    /// # Errors
    /// [`EngineError::Expired`] if it is too early; see [`Terms::settling_validity`].
    /// [`EngineError::Overloaded`] as long as there is much else to do.
    pub async fn settle(&self, settle: SettleCharge) -> Result<Settled, EngineError> {
        let hold = self.partitions.hold(&settle.saga_id, &settle.user_id);
        let command = Settle {
            partition: hold.partition(),
            terms: self.terms,
            paid_since: settle.paid_since,
            holds: vec![hold],
        };
        self.engine.submit_leaving_room(command).await?;
        Ok(Settled)
    }
}

/// A denial in the words of the saga.
fn refused(reason: Reason<Credits>) -> ChargeAnswer {
    match reason {
        Reason::Refused(ledger::Refusal::TooLittle { left }) => ChargeAnswer::InsufficientCredit { credit: left },
        Reason::Refused(ledger::Refusal::NoBalance) => ChargeAnswer::UnknownUser,
        Reason::Refused(ledger::Refusal::NoRoom) => ChargeAnswer::StoreFull,
        Reason::Undone => ChargeAnswer::Undone,
        Reason::Mismatch => ChargeAnswer::Mismatch,
    }
}
