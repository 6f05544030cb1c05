use poem_openapi::{Object, OpenApi};
use principals::needs;
use serde::Deserialize;
use web::{Accepted, Caller, Done, JsonBody};

use super::{Answer, Tag};
use crate::{
    api::users::Notice,
    email::Email,
    passwords::Password,
    problems::{ChangePasswordProblems, Refusal, RequestResetProblems, ResetPasswordProblems},
    service::Identity,
};

/// The old password and the new one.
#[derive(Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
struct PasswordChange {
    /// The old one.
    current_password: String,
    /// The new one: 8 to 128 characters of any kind, and none of the 3,000 most common.
    new_password: String,
}

/// Whose password is forgotten.
#[derive(Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
struct ResetRequest {
    /// The address.
    email: String,
}

/// What the mail held, and the new password.
#[derive(Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
struct Reset {
    /// The token of the mail.
    token: String,
    /// The new password, as for a change.
    new_password: String,
}

/// Serves passwords.
pub struct PasswordsApi(pub(crate) Identity);

#[OpenApi(tag = "Tag::Passwords")]
impl PasswordsApi {
    /// Change the password
    ///
    /// Ends all other sessions of the user who calls.
    #[oai(path = "/v1/me/password", method = "post", operation_id = "changePassword")]
    async fn change(
        &self,
        caller: Caller<needs::Anyone>,
        body: JsonBody<PasswordChange>,
    ) -> Answer<Done, ChangePasswordProblems> {
        let user = caller.user().ok_or(Refusal::NotAUser)?;
        // What cannot be a password is nobody's.
        let old = body
            .0
            .current_password
            .parse()
            .unwrap_or_else(|_| Password::of_nobody());
        let new: Password = body.0.new_password.parse().map_err(Refusal::BadPassword)?;
        self.0.change_password(user, old, new).await??;
        Ok(Done)
    }

    /// Ask for a mail to reset the password
    ///
    /// The answer is the same whether or not the address has a user.
    #[oai(path = "/v1/password_resets", method = "post", operation_id = "requestPasswordReset")]
    async fn request_reset(&self, body: JsonBody<ResetRequest>) -> Answer<Accepted<Notice>, RequestResetProblems> {
        let email: Email = body.0.email.parse().map_err(Refusal::BadEmail)?;
        self.0.request_reset(&email).await??;
        Ok(Accepted(Notice::a_mail_is_sent()))
    }

    /// Reset the password
    ///
    /// By what the mail held, once. Ends all sessions of the user.
    #[oai(
        path = "/v1/password_resets/complete",
        method = "post",
        operation_id = "resetPassword"
    )]
    async fn reset(&self, body: JsonBody<Reset>) -> Answer<Done, ResetPasswordProblems> {
        let new: Password = body.0.new_password.parse().map_err(Refusal::BadPassword)?;
        self.0.reset_password(&body.0.token, new).await??;
        Ok(Done)
    }
}
