//! The public operations of stock: parse, call, answer.

use domain::{Credits, ItemId, Quantity};
use engine::bulk::RecordCount;
use poem_openapi::{
    Object, OpenApi, Tags,
    param::Path,
    payload::{Json, PlainText},
    types::Example,
};
use web::{BatchInit, Idempotent, OVERFLOW, Param, Refused};

use crate::{
    Stock,
    problems::{AddProblems, BatchInitProblems, CreateProblems, FindProblems, SubtractProblems},
};

type Answer<T, P> = Result<T, Refused<P>>;

#[derive(Tags)]
enum Tag {
    /// What can be sold, and how much of it there is.
    Stock,
}

/// The name of a new item.
#[derive(Object)]
#[oai(example)]
struct CreatedItem {
    /// The item's id.
    item_id: String,
}

impl Example for CreatedItem {
    fn example() -> Self {
        Self {
            item_id: "01997e2c-6a5b-7c3e-9d41-2f0b8a6c4e10".into(),
        }
    }
}

/// An item's counters.
#[derive(Object)]
#[oai(example)]
struct FoundItem {
    /// How many pieces can be bought.
    stock: i64,
    /// The price of one piece, in the smallest unit of the currency.
    price: i64,
}

impl Example for FoundItem {
    fn example() -> Self {
        Self {
            stock: 100,
            price: 1_250,
        }
    }
}

/// Serves the public operations.
pub struct StockApi {
    stock: Stock,
}

impl StockApi {
    /// The operations of this stock.
    pub(crate) fn new(stock: Stock) -> Self {
        Self { stock }
    }
}

#[OpenApi(tag = "Tag::Stock")]
impl StockApi {
    /// Create an item
    ///
    /// The item starts without pieces; add some before it can be sold.
    #[oai(path = "/stock/item/create/:price", method = "post", operation_id = "createItem")]
    async fn create(
        &self,
        /// What one piece costs, in the smallest unit of the currency.
        price: Path<Param<Credits>>,
        /// Names this request, so that a repeat changes nothing and hears the same answer.
        #[oai(name = "Idempotency-Key")]
        idempotent: Idempotent,
    ) -> Answer<Json<CreatedItem>, CreateProblems> {
        let created = self.stock.create(price.0.get(), idempotent.request()).await;
        let item_id = idempotent.settle(created)?;
        Ok(Json(CreatedItem {
            item_id: item_id.to_string(),
        }))
    }

    /// Look an item up
    #[oai(path = "/stock/find/:item_id", method = "get", operation_id = "findItem")]
    async fn find(
        &self,
        /// The item's id.
        item_id: Path<Param<ItemId>>,
    ) -> Answer<Json<FoundItem>, FindProblems> {
        let item = self.stock.find(&item_id).await??;
        Ok(Json(FoundItem {
            stock: item.balance.left().get(),
            price: item.price.get(),
        }))
    }

    /// Add pieces to an item
    #[oai(path = "/stock/add/:item_id/:amount", method = "post", operation_id = "addStock")]
    async fn add(
        &self,
        /// The item's id.
        item_id: Path<Param<ItemId>>,
        /// How many pieces come in.
        amount: Path<Param<Quantity>>,
        /// Names this request, so that a repeat changes nothing and hears the same answer.
        #[oai(name = "Idempotency-Key")]
        idempotent: Idempotent,
    ) -> Answer<PlainText<String>, AddProblems> {
        let added = self.stock.add(&item_id, amount.0.get(), idempotent.request()).await;
        let left = idempotent.settle(added)??;
        Ok(now_in_stock(&item_id, left))
    }

    /// Take pieces out of the stock
    ///
    /// Outside of any checkout: what is taken out here is neither held nor sold.
    #[oai(
        path = "/stock/subtract/:item_id/:amount",
        method = "post",
        operation_id = "subtractStock"
    )]
    async fn subtract(
        &self,
        /// The item's id.
        item_id: Path<Param<ItemId>>,
        /// How many pieces go out.
        amount: Path<Param<Quantity>>,
        /// Names this request, so that a repeat changes nothing and hears the same answer.
        #[oai(name = "Idempotency-Key")]
        idempotent: Idempotent,
    ) -> Answer<PlainText<String>, SubtractProblems> {
        let amount = amount.0.get();
        let taken = self.stock.subtract(&item_id, amount, idempotent.request()).await;
        let left = idempotent.settle(taken)??;
        Ok(now_in_stock(&item_id, left))
    }

    /// Create many items
    ///
    /// Creates the items "0" to "n - 1", or sets existing ones to this stock and price.
    #[oai(
        path = "/stock/batch_init/:n/:starting_stock/:item_price",
        method = "post",
        operation_id = "batchInitItems"
    )]
    async fn batch_init(
        &self,
        /// How many items.
        n: Path<Param<RecordCount>>,
        /// How many pieces each will have.
        starting_stock: Path<Param<Quantity>>,
        /// What one piece of each costs, in the smallest unit of the currency.
        item_price: Path<Param<Credits>>,
    ) -> Answer<Json<BatchInit>, BatchInitProblems> {
        let undone = self
            .stock
            .init(n.0.get(), starting_stock.0.get(), item_price.0.get())
            .await?;
        let why = "cannot have so many pieces besides those that were sold";
        Ok(Json(BatchInit::from_undone(undone, "items", (&OVERFLOW, why))?))
    }
}

fn now_in_stock(item_id: &ItemId, stock: Quantity) -> PlainText<String> {
    PlainText(format!("item {item_id} has {stock} pieces"))
}
