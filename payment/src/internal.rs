//! What the checkout asks of payment. Served on a port of its own, which no gateway routes.

use poem::Route;
use shared::{
    http::InternalRoutes,
    protocol::{CHARGE_PATH, REFUND_PATH, SETTLE_PATH},
};

use crate::Payment;

/// The internal routes.
#[must_use]
pub fn routes(payment: &Payment) -> Route {
    InternalRoutes::new(payment.terms())
        .with(CHARGE_PATH, payment, |payment: Payment, call, until| async move {
            payment.charge(call, until).await
        })
        .with(REFUND_PATH, payment, |payment: Payment, call, until| async move {
            payment.refund(call, until).await
        })
        .with(SETTLE_PATH, payment, |payment: Payment, call, _| async move {
            payment.settle(call).await
        })
        .into_routes()
}
