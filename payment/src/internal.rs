//! What the checkout and identity ask of payment. Served on a port of its own, which no gateway routes.

use poem::Route;
use saga::{Charge, OpenAccount, Refund, SettleCharge, server::InternalRoutes};

use crate::Payment;

/// The internal routes.
pub(crate) fn routes(payment: &Payment) -> Route {
    InternalRoutes::new(payment.clone(), payment.terms())
        .with(|payment: Payment, call: Charge, until| async move { payment.charge(call, until).await })
        .with(|payment: Payment, call: Refund, until| async move { payment.refund(call, until).await })
        .with(|payment: Payment, call: SettleCharge, _| async move { payment.settle(call).await })
        .with(|payment: Payment, call: OpenAccount, until| async move { payment.open(call, until).await })
        .into_routes()
}
