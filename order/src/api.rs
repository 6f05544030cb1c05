//! The public operations of order: parse, call, answer.

mod events;
mod payload;

use domain::{Credits, ItemId, OrderId, UserId};
use engine::bulk::RecordCount;
use poem_openapi::{
    OpenApi, Tags,
    param::Path,
    payload::{Json, PlainText},
};
use saga::Line;
use web::{BatchInit, Idempotent, OVERFLOW, Param, Problem, Refused};

pub use self::events::OrderEventsApi;
use self::payload::{CreatedOrder, FoundOrder, Pieces};
use crate::{
    Orders,
    problems::{
        AddItemProblems, BatchInitProblems, CheckoutProblems, CreateProblems, FindProblems, ORDERS_BUSY, Refusal,
        checkout_failed,
    },
    random_orders::{Choices, RandomOrders},
};

type Answer<T, P> = Result<T, Refused<P>>;

#[derive(Tags)]
enum Tag {
    /// What is bought, and the checkout.
    Order,
}

/// Serves the public operations.
pub struct OrderApi {
    orders: Orders,
}

impl OrderApi {
    /// The operations of these orders.
    pub(crate) fn new(orders: Orders) -> Self {
        Self { orders }
    }
}

#[OpenApi(tag = "Tag::Order")]
impl OrderApi {
    /// Create an order
    ///
    /// The order starts without lines. Whether the user exists is looked at when it is checked out.
    #[oai(path = "/orders/create/:user_id", method = "post", operation_id = "createOrder")]
    async fn create(
        &self,
        /// Who will pay.
        user_id: Path<Param<UserId>>,
        /// Names this request, so that a repeat changes nothing and hears the same answer.
        #[oai(name = "Idempotency-Key")]
        idempotent: Idempotent,
    ) -> Answer<Json<CreatedOrder>, CreateProblems> {
        let created = self.orders.create(user_id.0.get(), idempotent.request()).await;
        let order_id = idempotent.settle(created)?.to_string();
        Ok(Json(CreatedOrder { order_id }))
    }

    /// Look an order up
    #[oai(path = "/orders/find/:order_id", method = "get", operation_id = "findOrder")]
    async fn find(
        &self,
        /// The order's id.
        order_id: Path<Param<OrderId>>,
    ) -> Answer<Json<FoundOrder>, FindProblems> {
        let order_id = order_id.0.get();
        let found = self.orders.find(&order_id).await?;
        let order = found.ok_or_else(|| Refusal::UnknownOrder(order_id.clone()))?;
        Ok(Json(FoundOrder::new(&order_id, order)))
    }

    /// Add a line to an order
    ///
    /// At the item's present price. Adding the same item again adds another line; at the checkout, all
    /// lines of one item count together.
    #[oai(
        path = "/orders/addItem/:order_id/:item_id/:quantity",
        method = "post",
        operation_id = "addItem"
    )]
    async fn add_item(
        &self,
        /// The order's id.
        order_id: Path<Param<OrderId>>,
        /// The item's id.
        item_id: Path<Param<ItemId>>,
        /// How many pieces of it.
        quantity: Path<Param<Pieces>>,
        /// Names this request, so that a repeat changes nothing and hears the same answer.
        #[oai(name = "Idempotency-Key")]
        idempotent: Idempotent,
    ) -> Answer<PlainText<String>, AddItemProblems> {
        let line = Line {
            item_id: item_id.0.get(),
            quantity: quantity.0.get().get(),
        };
        let added = self.orders.add_item(&order_id, line, idempotent.request()).await;
        let total = idempotent.settle(added)??;
        Ok(PlainText(format!("order {} costs {total}", *order_id)))
    }

    /// Check an order out
    ///
    /// Reserves the order's pieces, charges its user and settles it, or does none of these. Repeating the
    /// call is safe: an order is charged once. While a checkout is under way, a second call waits for the
    /// same outcome.
    ///
    /// 200: the order is paid, now or by an earlier checkout. 4xx: it is not, and nothing is held. 503:
    /// it is not decided yet, or a part of the system is not available; ask again.
    #[oai(path = "/orders/checkout/:order_id", method = "post", operation_id = "checkout")]
    async fn checkout(
        &self,
        /// The order's id.
        order_id: Path<Param<OrderId>>,
        /// Names this request, so that a repeat changes nothing and hears the same answer.
        #[oai(name = "Idempotency-Key")]
        idempotent: Idempotent,
    ) -> Answer<PlainText<String>, CheckoutProblems> {
        let checkout = self.orders.checkout(&order_id, idempotent.request()).await;
        let checkout = checkout.map_err(checkout_failed)?;
        idempotent.settle(Ok(checkout))??;
        Ok(PlainText(format!("order {} is paid", *order_id)))
    }

    /// Create many orders
    ///
    /// Creates the orders "0" to "n - 1", or sets existing ones back: each has two lines of one piece of a
    /// random item among the first `n_items`, for a random user among the first `n_users`.
    #[oai(
        path = "/orders/batch_init/:n/:n_items/:n_users/:item_price",
        method = "post",
        operation_id = "batchInitOrders"
    )]
    async fn batch_init(
        &self,
        /// How many orders.
        n: Path<Param<RecordCount>>,
        /// Among how many items, from "0", to choose.
        n_items: Path<Param<Choices>>,
        /// Among how many users, from "0", to choose.
        n_users: Path<Param<Choices>>,
        /// What each item costs, in the smallest unit of the currency.
        item_price: Path<Param<Credits>>,
    ) -> Answer<Json<BatchInit>, BatchInitProblems> {
        let orders = RandomOrders::new(n_items.0.get(), n_users.0.get(), item_price.0.get())
            .map_err(|error| Problem::new(&OVERFLOW, error.to_string()))?;
        let undone = self.orders.init(n.0.get(), orders).await?;
        Ok(Json(BatchInit::from_undone(
            undone,
            "orders",
            (&ORDERS_BUSY, "are being checked out"),
        )?))
    }
}
