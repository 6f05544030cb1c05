//! The public operations of payment: parse, call, answer.

use domain::{Credits, UserId};
use engine::bulk::RecordCount;
use poem_openapi::{
    Object, OpenApi, Tags,
    param::Path,
    payload::{Json, PlainText},
    types::Example,
};
use web::{BatchInit, Idempotent, OVERFLOW, Param, Refused};

use crate::{
    Payment,
    problems::{AddFundsProblems, BatchInitProblems, CreateProblems, FindProblems, PayProblems},
};

type Answer<T, P> = Result<T, Refused<P>>;

#[derive(Tags)]
enum Tag {
    /// Who can pay, and how much.
    Payment,
}

/// The name of a new user.
#[derive(Object)]
#[oai(example)]
struct CreatedUser {
    /// The user's id.
    user_id: String,
}

impl Example for CreatedUser {
    fn example() -> Self {
        Self {
            user_id: "01997e2c-8f10-7a02-b6de-5d9c3e71a4f8".into(),
        }
    }
}

/// A user's account.
#[derive(Object)]
#[oai(example)]
struct FoundUser {
    /// The user's id.
    user_id: String,
    /// What the user can spend, in the smallest unit of the currency.
    credit: i64,
}

impl Example for FoundUser {
    fn example() -> Self {
        Self {
            user_id: "01997e2c-8f10-7a02-b6de-5d9c3e71a4f8".into(),
            credit: 5_000,
        }
    }
}

/// Serves the public operations.
pub struct PaymentApi {
    payment: Payment,
}

impl PaymentApi {
    /// The operations of these accounts.
    pub(crate) fn new(payment: Payment) -> Self {
        Self { payment }
    }
}

#[OpenApi(tag = "Tag::Payment")]
impl PaymentApi {
    /// Create a user
    ///
    /// The user starts without credit.
    #[oai(path = "/payment/create_user", method = "post", operation_id = "createUser")]
    async fn create_user(
        &self,
        /// Names this request, so that a repeat changes nothing and hears the same answer.
        #[oai(name = "Idempotency-Key")]
        idempotent: Idempotent,
    ) -> Answer<Json<CreatedUser>, CreateProblems> {
        let created = self.payment.create(idempotent.request()).await;
        let user_id = idempotent.settle(created)?.to_string();
        Ok(Json(CreatedUser { user_id }))
    }

    /// Look a user up
    #[oai(path = "/payment/find_user/:user_id", method = "get", operation_id = "findUser")]
    async fn find_user(
        &self,
        /// The user's id.
        user_id: Path<Param<UserId>>,
    ) -> Answer<Json<FoundUser>, FindProblems> {
        let account = self.payment.find(&user_id).await??;
        let user_id = user_id.to_string();
        Ok(Json(FoundUser {
            user_id,
            credit: account.balance.left().get(),
        }))
    }

    /// Add to a user's credit
    #[oai(
        path = "/payment/add_funds/:user_id/:amount",
        method = "post",
        operation_id = "addFunds"
    )]
    async fn add_funds(
        &self,
        /// The user's id.
        user_id: Path<Param<UserId>>,
        /// How much is added, in the smallest unit of the currency.
        amount: Path<Param<Credits>>,
        /// Names this request, so that a repeat changes nothing and hears the same answer.
        #[oai(name = "Idempotency-Key")]
        idempotent: Idempotent,
    ) -> Answer<PlainText<String>, AddFundsProblems> {
        let amount = amount.0.get();
        let added = self.payment.add_funds(&user_id, amount, idempotent.request()).await;
        let credit = idempotent.settle(added)??;
        Ok(now_credit(&user_id, credit))
    }

    /// Take from a user's credit
    ///
    /// Outside of any checkout: what is taken here belongs to no order.
    #[oai(path = "/payment/pay/:user_id/:amount", method = "post", operation_id = "pay")]
    async fn pay(
        &self,
        /// The user's id.
        user_id: Path<Param<UserId>>,
        /// How much is taken, in the smallest unit of the currency.
        amount: Path<Param<Credits>>,
        /// Names this request, so that a repeat changes nothing and hears the same answer.
        #[oai(name = "Idempotency-Key")]
        idempotent: Idempotent,
    ) -> Answer<PlainText<String>, PayProblems> {
        let paid = self.payment.pay(&user_id, amount.0.get(), idempotent.request()).await;
        let credit = idempotent.settle(paid)??;
        Ok(now_credit(&user_id, credit))
    }

    /// Create many users
    ///
    /// Creates the users "0" to "n - 1", or sets existing ones to this credit.
    #[oai(
        path = "/payment/batch_init/:n/:starting_money",
        method = "post",
        operation_id = "batchInitUsers"
    )]
    async fn batch_init(
        &self,
        /// How many users.
        n: Path<Param<RecordCount>>,
        /// How much credit each will have, in the smallest unit of the currency.
        starting_money: Path<Param<Credits>>,
    ) -> Answer<Json<BatchInit>, BatchInitProblems> {
        let undone = self.payment.init(n.0.get(), starting_money.0.get()).await?;
        let why = "cannot have so much credit besides what they spent";
        Ok(Json(BatchInit::from_undone(undone, "users", (&OVERFLOW, why))?))
    }
}

fn now_credit(user_id: &UserId, credit: Credits) -> PlainText<String> {
    PlainText(format!("user {user_id} has {credit} credit"))
}
