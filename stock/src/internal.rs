//! What the checkout asks of stock. Served on a port of its own, which no gateway routes.

use poem::{Route, post};
use shared::{
    http::calls_endpoint,
    protocol::{QUOTE_PATH, RELEASE_PATH, RESERVE_PATH, SETTLE_PATH},
};

use crate::Stock;

/// The internal routes.
#[must_use]
pub fn routes(stock: &Stock) -> Route {
    Route::new()
        .at(
            RESERVE_PATH,
            post(calls_endpoint(stock.clone(), |stock: Stock, call| async move {
                stock.reserve(call).await
            })),
        )
        .at(
            RELEASE_PATH,
            post(calls_endpoint(stock.clone(), |stock: Stock, call| async move {
                stock.release(call).await
            })),
        )
        .at(
            SETTLE_PATH,
            post(calls_endpoint(stock.clone(), |stock: Stock, call| async move {
                stock.settle(call).await
            })),
        )
        .at(
            QUOTE_PATH,
            post(calls_endpoint(stock.clone(), |stock: Stock, call| async move {
                stock.quote(call).await
            })),
        )
}
