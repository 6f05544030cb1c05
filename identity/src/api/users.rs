use std::collections::BTreeSet;

use domain::UserId;
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    payload::Json,
    types::Example,
};
use principals::{Role, needs};
use serde::Deserialize;
use web::{Accepted, Caller, Done, JsonBody, Param};

use super::{Answer, Tag};
use crate::{
    listing::DEFAULT_LIMIT,
    problems::{
        GetUserProblems, ListProblems, MeProblems, Refusal, RegisterProblems, SetRolesProblems, VerifyProblems,
    },
    record,
    service::{Identity, NewUser},
};

/// Who wants to become a user.
#[derive(Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
struct RegistrationRequest {
    /// The address.
    email: String,
    /// 8 to 128 characters of any kind, and none of the 3,000 most common passwords.
    password: String,
}

impl Example for RegistrationRequest {
    fn example() -> Self {
        Self {
            email: "ann@shop.example".into(),
            password: "correct horse battery".into(),
        }
    }
}

/// What happens next.
#[derive(Debug, Object)]
pub(super) struct Notice {
    /// In words.
    detail: String,
}

impl Notice {
    pub(super) fn a_mail_is_sent() -> Self {
        Self {
            detail: "If the address can be reached, a mail to it says what to do next.".into(),
        }
    }
}

/// What a mail held.
#[derive(Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
struct Verification {
    /// The token of the mail.
    token: String,
}

/// A user.
#[derive(Object)]
#[expect(
    clippy::struct_field_names,
    reason = "clients read the id under the name that it has everywhere"
)]
struct User {
    /// The user's id, which is the account's id in payment.
    user_id: String,
    /// The address.
    email: String,
    /// Whether the user has shown that mails to it arrive.
    is_verified: bool,
    /// What the user is: customer, operator, admin.
    roles: Vec<String>,
    /// When the user registered.
    created_at: String,
}

impl User {
    fn new(user_id: String, user: &record::User) -> Self {
        Self {
            user_id,
            email: user.email.as_str().to_owned(),
            is_verified: user.is_verified,
            roles: user.roles.iter().map(ToString::to_string).collect(),
            created_at: user.created_at.to_rfc3339(),
        }
    }
}

/// A part of the list of users.
#[derive(Object)]
struct UserList {
    /// The users, newest first.
    data: Vec<User>,
    /// What to give as `cursor` for the next part; none at the end.
    next_cursor: Option<String>,
}

/// What a user is to be.
#[derive(Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
struct Roles {
    /// Some of customer, operator, admin.
    roles: Vec<Param<Role>>,
}

/// Serves users.
pub struct UsersApi(pub(crate) Identity);

#[OpenApi(tag = "Tag::Users")]
impl UsersApi {
    /// Register
    ///
    /// A mail to the address says what to do next. The answer is the same whether or not the address has a user.
    #[oai(path = "/v1/users", method = "post", operation_id = "register")]
    async fn register(&self, body: JsonBody<RegistrationRequest>) -> Answer<Accepted<Notice>, RegisterProblems> {
        let new = NewUser {
            email: body.0.email.parse().map_err(Refusal::BadEmail)?,
            password: body.0.password.parse().map_err(Refusal::BadPassword)?,
            roles: BTreeSet::from([Role::Customer]),
            is_verified: false,
        };
        // What became of it is for the owner of the address alone.
        let _ = self.0.register(new).await??;
        Ok(Accepted(Notice::a_mail_is_sent()))
    }

    /// Verify an address
    ///
    /// By what the mail held, once.
    #[oai(path = "/v1/users/verify", method = "post", operation_id = "verify")]
    async fn verify(&self, body: JsonBody<Verification>) -> Answer<Done, VerifyProblems> {
        self.0.verify(&body.0.token).await??;
        Ok(Done)
    }

    /// Who am I?
    #[oai(path = "/v1/me", method = "get", operation_id = "getMe")]
    async fn me(&self, caller: Caller<needs::Anyone>) -> Answer<Json<User>, MeProblems> {
        let user_id = &caller.user().ok_or(Refusal::NotAUser)?.user_id;
        let user = self.0.user(user_id).await??;
        Ok(Json(User::new(user_id.to_string(), &user)))
    }

    /// List users
    #[oai(path = "/v1/users", method = "get", operation_id = "listUsers")]
    async fn list(
        &self,
        _caller: Caller<needs::UsersRead>,
        /// How many users at most, 1 to 100.
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<usize>>,
        /// The `next_cursor` of an earlier answer.
        cursor: Query<Option<String>>,
    ) -> Answer<Json<UserList>, ListProblems> {
        let after = cursor.0.as_deref().map(str::parse).transpose()?;
        let page = self.0.users(after.as_ref(), limit.0.unwrap_or(DEFAULT_LIMIT)).await?;
        let data = page.records.into_iter().map(|(id, user)| User::new(id, &user));
        Ok(Json(UserList {
            data: data.collect(),
            next_cursor: page.next.map(|next| next.to_string()),
        }))
    }

    /// Look a user up
    #[oai(path = "/v1/users/:user_id", method = "get", operation_id = "getUser")]
    async fn get(
        &self,
        _caller: Caller<needs::UsersRead>,
        /// The user's id.
        user_id: Path<Param<UserId>>,
    ) -> Answer<Json<User>, GetUserProblems> {
        let user = self.0.user(&user_id).await??;
        Ok(Json(User::new(user_id.to_string(), &user)))
    }

    /// Say what a user is
    ///
    /// Ends all sessions of the user, whose tokens say the old roles.
    #[oai(path = "/v1/users/:user_id/roles", method = "post", operation_id = "setRoles")]
    async fn set_roles(
        &self,
        caller: Caller<needs::UsersWrite>,
        /// The user's id.
        user_id: Path<Param<UserId>>,
        body: JsonBody<Roles>,
    ) -> Answer<Json<User>, SetRolesProblems> {
        let roles = body.0.roles.into_iter().map(Param::get).collect();
        let user = self.0.set_roles(&user_id, roles, &caller).await??;
        Ok(Json(User::new(user_id.to_string(), &user)))
    }
}
