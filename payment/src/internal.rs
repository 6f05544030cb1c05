//! What the checkout asks of payment. Served on a port of its own, which no gateway routes.

use poem::{Route, post};
use shared::{
    http::calls_endpoint,
    protocol::{CHARGE_PATH, REFUND_PATH, SETTLE_PATH},
};

use crate::Payment;

/// The internal routes.
#[must_use]
pub fn routes(payment: &Payment) -> Route {
    let charge = |payment: Payment, call| async move { payment.charge(call).await };
    let refund = |payment: Payment, call| async move { payment.refund(call).await };
    let settle = |payment: Payment, call| async move { payment.settle(call).await };
    Route::new()
        .at(CHARGE_PATH, post(calls_endpoint(payment.clone(), charge)))
        .at(REFUND_PATH, post(calls_endpoint(payment.clone(), refund)))
        .at(SETTLE_PATH, post(calls_endpoint(payment.clone(), settle)))
}
