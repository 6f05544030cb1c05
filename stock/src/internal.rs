//! What the checkout asks of stock. Served on a port of its own, which no gateway routes.

use poem::Route;
use saga::{Quote, Release, Reserve, SettlePieces, server::InternalRoutes};

use crate::Stock;

/// The internal routes.
pub(crate) fn routes(stock: &Stock) -> Route {
    InternalRoutes::new(stock.clone(), stock.terms())
        .with(|stock: Stock, call: Reserve, until| async move { stock.reserve(call, until).await })
        .with(|stock: Stock, call: Release, until| async move { stock.release(call, until).await })
        .with(|stock: Stock, call: SettlePieces, _| async move { stock.settle(call).await })
        .with(|stock: Stock, call: Quote, _| async move { stock.quote(call).await })
        .into_routes()
}
