use poem_openapi::{Object, OpenApi, payload::Json, types::Example};
use principals::{ACCESS_TOKEN_LIFETIME, needs};
use serde::Deserialize;
use web::{Caller, Created, Done, JsonBody};

use super::{Answer, Tag};
use crate::{
    problems::{LogInProblems, LogOutEverywhereProblems, LogOutProblems, RefreshProblems, Refusal},
    service::{Identity, LoggedIn, Login},
};

/// How to log in.
#[derive(Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
struct Credentials {
    /// The address.
    email: String,
    /// The password.
    password: String,
}

impl Example for Credentials {
    fn example() -> Self {
        Self {
            email: "ann@shop.example".into(),
            password: "correct horse battery".into(),
        }
    }
}

/// A refresh token.
#[derive(Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
struct RefreshRequest {
    /// The newest refresh token of the session.
    refresh_token: String,
}

/// The tokens of a session.
#[derive(Object)]
#[expect(
    clippy::struct_field_names,
    reason = "clients read the id under the name that it has everywhere"
)]
struct Session {
    /// The session.
    session_id: String,
    /// What calls present: `Authorization: Bearer <access_token>`.
    access_token: String,
    /// How that is presented: Bearer.
    token_type: String,
    /// For how many seconds it is valid.
    expires_in: u64,
    /// What the next access token is asked for with, once. A session ends thirty days after its login, and when an old refresh
    /// token is used.
    refresh_token: String,
}

impl From<LoggedIn> for Session {
    fn from(logged_in: LoggedIn) -> Self {
        Self {
            session_id: logged_in.session_id.to_string(),
            access_token: logged_in.access_token,
            token_type: "Bearer".into(),
            expires_in: ACCESS_TOKEN_LIFETIME.as_secs(),
            refresh_token: logged_in.refresh_token,
        }
    }
}

/// Serves sessions.
pub struct SessionsApi(pub(crate) Identity);

#[OpenApi(tag = "Tag::Sessions")]
impl SessionsApi {
    /// Log in
    ///
    /// Begins a session. Nobody is told whether the address or the password is wrong.
    #[oai(path = "/v1/sessions", method = "post", operation_id = "logIn")]
    async fn log_in(&self, body: JsonBody<Credentials>) -> Answer<Created<Session>, LogInProblems> {
        let JsonBody(Credentials { email, password }) = body;
        let login = Login {
            email: email.parse().ok(),
            password: password.parse().ok(),
        };
        let created = Session::from(self.0.log_in(login).await??);
        Ok(Created {
            location: format!("/v1/sessions/{}", created.session_id),
            created,
        })
    }

    /// Go on with a session
    ///
    /// Gives new tokens for a refresh token, which is good for nothing then. For some seconds the same token is answered with the
    /// same successor, for a client whose answer was lost. An older one ends the session: somebody else may have a copy.
    #[oai(path = "/v1/sessions/refresh", method = "post", operation_id = "refresh")]
    async fn refresh(&self, body: JsonBody<RefreshRequest>) -> Answer<Json<Session>, RefreshProblems> {
        Ok(Json(self.0.refresh(&body.0.refresh_token).await??.into()))
    }

    /// Log out
    ///
    /// Ends a session. Repeating it changes nothing, and neither does a token that is none.
    #[oai(path = "/v1/sessions/logout", method = "post", operation_id = "logOut")]
    async fn log_out(&self, body: JsonBody<RefreshRequest>) -> Answer<Done, LogOutProblems> {
        self.0.log_out(&body.0.refresh_token).await?;
        Ok(Done)
    }

    /// Log out everywhere
    ///
    /// Ends all sessions of the user who calls.
    #[oai(
        path = "/v1/sessions/logout_everywhere",
        method = "post",
        operation_id = "logOutEverywhere"
    )]
    async fn log_out_everywhere(&self, caller: Caller<needs::Anyone>) -> Answer<Done, LogOutEverywhereProblems> {
        let user = caller.user().ok_or(Refusal::NotAUser)?;
        self.0.log_out_everywhere(&user.user_id).await?;
        Ok(Done)
    }
}
