//! What the checkout asks of stock. Served on a port of its own, which no gateway routes.

use poem::Route;
use shared::{
    http::InternalRoutes,
    protocol::{QUOTE_PATH, RELEASE_PATH, RESERVE_PATH, SETTLE_PATH},
};

use crate::Stock;

/// The internal routes.
#[must_use]
pub fn routes(stock: &Stock) -> Route {
    InternalRoutes::new(stock.terms())
        .with(RESERVE_PATH, stock, |stock: Stock, call, until| async move {
            stock.reserve(call, until).await
        })
        .with(RELEASE_PATH, stock, |stock: Stock, call, until| async move {
            stock.release(call, until).await
        })
        .with(SETTLE_PATH, stock, |stock: Stock, call, _| async move {
            stock.settle(call).await
        })
        .with(QUOTE_PATH, stock, |stock: Stock, call, _| async move {
            stock.quote(call).await
        })
        .into_routes()
}
