//! Sessions: logging in, going on, logging out.

use domain::{SessionId, Timestamp, UserId};
use engine::{EngineError, keys::Partition};
use principals::{AccessToken, User as Caller};

use super::{Identity, Outcome};
use crate::{
    decide::{LogIn, LogOut, Refresh, Refreshed, Which},
    email::Email,
    keys::Keys,
    passwords::{Compared, Password},
    problems::Refusal,
    record::User,
    tokens::{Nonce, RefreshToken, Secret},
};

/// How somebody wants to log in. What cannot be an address or a password is nobody's.
pub(crate) struct Login {
    pub(crate) email: Option<Email>,
    pub(crate) password: Option<Password>,
}

/// The tokens of a session.
pub(crate) struct LoggedIn {
    pub(crate) session_id: SessionId,
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
}

impl Identity {
    /// Begins a session. Whether the address is unknown or the password wrong, the answer and the work are the same.
    pub(crate) async fn log_in(&self, login: Login) -> Outcome<LoggedIn> {
        self.store.admit()?;
        let known = match &login.email {
            Some(email) => self.user_of(email).await?,
            None => None,
        };
        let compared = known.as_ref().map(|(_, user)| user.password.clone());
        // A text that may be no password is compared as one that nobody has.
        let (password, compared) = match login.password {
            Some(password) => (password, compared),
            None => (Password::of_nobody(), None),
        };
        let rehashed = match self.passwords.compare(password, compared).await? {
            Compared::Same { rehashed } => rehashed,
            Compared::Different => return Ok(Err(Refusal::WrongCredentials)),
        };
        let Some((user_id, user)) = known else {
            return Ok(Err(Refusal::WrongCredentials));
        };
        let (key, family, secret) = (self.partitions.user(&user_id), Secret::generate(), Secret::generate());
        let session_id = SessionId::generate();
        let command = LogIn {
            revoked: self.partitions.revoked(key.partition()),
            user: key,
            compared: user.password,
            rehashed,
            session_id: session_id.clone(),
            family,
            secret,
        };
        let user = match self.engine.submit(command).await? {
            Ok(user) => user,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let token = RefreshToken {
            user_id,
            session_id,
            family,
            secret,
        };
        Ok(Ok(self.logged_in(&token, &user)?))
    }

    /// Goes on with a session.
    pub(crate) async fn refresh(&self, token: &str) -> Outcome<LoggedIn> {
        let Some(token) = RefreshToken::parse(token) else {
            return Ok(Err(Refusal::BadRefreshToken));
        };
        let user = self.partitions.user(&token.user_id);
        let refresh = Refresh {
            revoked: self.partitions.revoked(user.partition()),
            user,
            token: token.clone(),
            nonce: Nonce::generate(),
        };
        let Refreshed { secret, user } = match self.engine.submit(refresh).await? {
            Ok(refreshed) => refreshed,
            Err(refusal) => return Ok(Err(refusal)),
        };
        Ok(Ok(self.logged_in(&RefreshToken { secret, ..token }, &user)?))
    }

    /// Ends the session of a refresh token, if it is one.
    pub(crate) async fn log_out(&self, token: &str) -> Result<(), EngineError> {
        match RefreshToken::parse(token) {
            Some(token) => self.end_sessions(&token.user_id.clone(), Which::Of(token)).await,
            None => Ok(()),
        }
    }

    /// Ends all sessions of a user.
    pub(crate) async fn log_out_everywhere(&self, user_id: &UserId) -> Result<(), EngineError> {
        self.end_sessions(user_id, Which::All).await
    }

    async fn end_sessions(&self, user_id: &UserId, which: Which) -> Result<(), EngineError> {
        let user = self.partitions.user(user_id);
        let partition: Partition = user.partition();
        let log_out = LogOut {
            user,
            revoked: self.partitions.revoked(partition),
            which,
        };
        self.engine.submit(log_out).await
    }

    fn logged_in(&self, token: &RefreshToken, user: &User) -> Result<LoggedIn, EngineError> {
        let now = Timestamp::now();
        let signer = self.snapshot()?.signing.signer(now);
        let signer = signer.ok_or_else(|| EngineError::Unavailable("there is no signing key yet".into()))?;
        let caller = Caller {
            user_id: token.user_id.clone(),
            session_id: token.session_id.clone(),
            roles: user.roles.clone(),
        };
        let access_token = AccessToken::new(&caller, now).sign(&signer);
        Ok(LoggedIn {
            session_id: token.session_id.clone(),
            access_token: access_token.map_err(|error| EngineError::Bug(error.to_string()))?,
            refresh_token: token.reveal(),
        })
    }
}
