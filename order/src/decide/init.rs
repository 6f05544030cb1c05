use domain::{Credits, OrderId, SagaId, UserId};
use engine::{Command, OUTCOME_KEPT, Touches, View, keys::Partition};
use saga::Line;

use crate::{
    events::OrderCreated,
    keys::Keys,
    record::{Order, Status},
};

/// Creates orders, or sets existing ones to these lines, open.
///
/// An order that is being checked out stays as it is: its saga's steps have happened elsewhere. What a paid one has sold
/// becomes a record of its own. The outcome is the numbers of those that stay.
#[derive(Debug)]
pub(crate) struct Init {
    /// Names the records.
    pub(crate) keys: Keys,
    /// Where all the orders live.
    pub(crate) partition: Partition,
    /// The orders.
    pub(crate) orders: Vec<NewOrder>,
}

/// One order to create.
#[derive(Debug)]
pub(crate) struct NewOrder {
    /// Its number.
    pub(crate) number: u32,
    /// Its name.
    pub(crate) order_id: OrderId,
    /// Who pays.
    pub(crate) user_id: UserId,
    /// What is bought.
    pub(crate) lines: Vec<Line>,
    /// What it costs.
    pub(crate) total: Credits,
}

impl Command for Init {
    type Outcome = Vec<u32>;

    fn partition(&self) -> Partition {
        self.partition
    }

    fn touches(&self, touches: &mut Touches) {
        for new in &self.orders {
            touches.subject(&self.keys.order(&new.order_id));
        }
    }

    fn decide(&self, view: &mut View) -> Vec<u32> {
        let mut busy = Vec::new();
        for new in &self.orders {
            let key = self.keys.order(&new.order_id);
            let old = view.get(&key);
            if old.is_some_and(|order| order.drive().is_some()) {
                busy.push(new.number);
                continue;
            }
            // The count of attempts goes on, so that no saga finds the hold of an earlier one of its name.
            let attempt = old.map_or(0, |order| order.attempt);
            let sale = old.and_then(|order| order.sale(attempt));
            let rejection = old.and_then(Order::asked_rejection).cloned();
            let mut order = Order {
                user_id: new.user_id.clone(),
                lines: new.lines.clone(),
                total: new.total,
                attempt,
                status: Status::Open { last_failure: None },
                is_asked_for: false,
                sequence: old.map(|order| order.sequence).unwrap_or_default(),
            };
            if old == Some(&order) {
                continue;
            }
            let saga_id = SagaId {
                order: new.order_id.clone(),
                attempt,
            };
            if let Some(sale) = sale {
                view.put_beside(&self.keys.sale(&saga_id), sale);
            }
            if let Some(rejection) = rejection {
                view.put_beside_expiring(&self.keys.rejection(&saga_id), rejection, OUTCOME_KEPT);
            }
            let event = OrderCreated {
                user_id: order.user_id.clone(),
                lines: order.lines.clone(),
                total: order.total,
            };
            view.emit(&key, &mut order.sequence, &event);
            view.put(&key, order);
        }
        busy
    }
}
