//! The accounts that users pay from, as identity sees them: a user's account has the user's id.

use std::{sync::Arc, time::Duration};

use domain::UserId;
use ledger::Terms;
use saga::{
    OpenAccount, Opened,
    client::{Answering, Calls, ClientError, Participant, Replicas},
};
use tokio_rustls::rustls::ClientConfig;

/// Where accounts are opened.
pub trait Accounts: Send + Sync + 'static {
    /// Opens a user's account, if there is none. Safe to repeat.
    fn open(&self, user_id: &UserId) -> Answering<'_, Opened>;
}

/// Payment in other processes.
pub struct HttpAccounts(Calls<OpenAccount>);

impl HttpAccounts {
    /// Starts the senders and follows the replicas, which are trusted as `tls` says. A call that takes longer than `timeout` counts as unanswered.
    ///
    /// # Errors
    /// No HTTP client can be made.
    pub fn new(
        replicas: &Replicas,
        timeout: Duration,
        terms: Terms,
        tls: Arc<ClientConfig>,
    ) -> Result<Arc<Self>, ClientError> {
        let payment = Participant::new("payment", replicas, timeout, terms, tls)?;
        Ok(Arc::new(Self(payment.calls())))
    }
}

impl Accounts for HttpAccounts {
    fn open(&self, user_id: &UserId) -> Answering<'_, Opened> {
        let user_id = user_id.clone();
        self.0.call(OpenAccount { user_id })
    }
}
