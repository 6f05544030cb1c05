use domain::UserId;
use engine::{
    Command, Touches, View,
    keys::{Key, Partition},
};

use crate::{events::OrderCreated, record::Order};

/// Creates an order without lines.
#[derive(Debug)]
pub(crate) struct Create {
    /// Where the order will be. Its id must be new.
    pub(crate) order: Key<Order>,
    /// Who pays.
    pub(crate) user_id: UserId,
}

impl Command for Create {
    type Outcome = ();

    fn partition(&self) -> Partition {
        self.order.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.subject(&self.order);
    }

    fn decide(&self, view: &mut View) {
        let mut order = Order::new(self.user_id.clone());
        let event = OrderCreated {
            user_id: order.user_id.clone(),
            lines: Vec::new(),
            total: order.total,
        };
        view.emit(&self.order, &mut order.sequence, &event);
        view.put(&self.order, order);
    }
}
