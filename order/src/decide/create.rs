use domain::UserId;
use engine::{
    Command, Touches, View,
    keys::{Key, Partition},
};

use crate::record::Order;

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
        touches.record(&self.order);
    }

    fn decide(&self, view: &mut View) {
        view.put(&self.order, Order::new(self.user_id.clone()));
    }
}
