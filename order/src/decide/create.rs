use domain::{OrderId, UserId};
use engine::{
    Command, Touches, View,
    keys::{Key, Partition},
};

use crate::{events::OrderCreated, record::Order};

/// Creates an order without lines. The outcome is its id: of a repeat, the first one's.
#[derive(Debug)]
pub(crate) struct Create {
    /// The order's id, which must be new.
    pub(crate) order_id: OrderId,
    /// Where the order will be.
    pub(crate) order: Key<Order>,
    /// Who pays.
    pub(crate) user_id: UserId,
}

impl Command for Create {
    type Outcome = OrderId;

    fn partition(&self) -> Partition {
        self.order.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.subject(&self.order);
    }

    fn decide(&self, view: &mut View) -> OrderId {
        let mut order = Order::new(self.user_id.clone());
        let event = OrderCreated {
            user_id: order.user_id.clone(),
            lines: Vec::new(),
            total: order.total,
        };
        view.emit(&self.order, &mut order.sequence, &event);
        view.put(&self.order, order);
        self.order_id.clone()
    }
}
