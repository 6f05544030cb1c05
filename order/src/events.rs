//! What order announces. ARCHITECTURE.md lists all events.

use domain::{Credits, OrderId, SagaId, UserId};
use engine::Event;
use serde::Serialize;

use crate::record::Rejection;

/// An order is paid.
#[derive(Debug, Serialize)]
pub(crate) struct OrderPaid<'a> {
    pub(crate) saga_id: &'a SagaId,
    pub(crate) order_id: &'a OrderId,
    pub(crate) user_id: &'a UserId,
    /// What was paid.
    pub(crate) total: Credits,
}

impl Event for OrderPaid<'_> {
    const TYPE: &'static str = "order.paid";

    fn id(&self) -> String {
        self.saga_id.to_string()
    }
}

/// A checkout was rejected, and the order is open again.
#[derive(Debug, Serialize)]
pub(crate) struct OrderRejected<'a> {
    pub(crate) saga_id: &'a SagaId,
    pub(crate) order_id: &'a OrderId,
    pub(crate) user_id: &'a UserId,
    /// What was not paid.
    pub(crate) total: Credits,
    pub(crate) rejection: &'a Rejection,
}

impl Event for OrderRejected<'_> {
    const TYPE: &'static str = "order.rejected";

    fn id(&self) -> String {
        self.saga_id.to_string()
    }
}
