use domain::{Credits, OrderId, Quantity};
use engine::{
    Command, Touches, View,
    keys::{Key, Partition},
};
use saga::Line;

use crate::{
    events::OrderLineAdded,
    problems::Refusal,
    record::{MAX_LINES, Order, Status},
};

/// Adds a line to an open order. The outcome is what the order costs then.
#[derive(Debug)]
pub(crate) struct AddItem {
    pub(crate) order_id: OrderId,
    pub(crate) order: Key<Order>,
    pub(crate) line: Line,
    /// The price of one piece at the time of adding.
    pub(crate) price: Credits,
}

impl Command for AddItem {
    type Outcome = Result<Credits, Refusal>;

    fn partition(&self) -> Partition {
        self.order.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.subject(&self.order);
    }

    fn decide(&self, view: &mut View) -> Result<Credits, Refusal> {
        let order_id = || self.order_id.clone();
        let order = view.get(&self.order).ok_or_else(|| Refusal::UnknownOrder(order_id()))?;
        match order.status {
            Status::Open { .. } => {}
            Status::CheckingOut { .. } | Status::Cancelling { .. } => return Err(Refusal::BeingCheckedOut(order_id())),
            Status::Paid => return Err(Refusal::AlreadyPaid(order_id())),
        }
        if order.lines.len() >= MAX_LINES {
            return Err(Refusal::TooManyLines);
        }
        let (Some(total), Some(_)) = (self.new_total(order), self.pieces(order)) else {
            return Err(Refusal::Overflow(order_id()));
        };
        let mut order = order.clone();
        order.total = total;
        order.lines.push(self.line.clone());
        let event = OrderLineAdded {
            item_id: self.line.item_id.clone(),
            quantity: self.line.quantity,
            price: self.price,
            total,
        };
        view.emit(&self.order, &mut order.sequence, &event);
        view.put(&self.order, order);
        Ok(total)
    }
}

impl AddItem {
    fn new_total(&self, order: &Order) -> Option<Credits> {
        order.total.checked_add(self.price.checked_times(self.line.quantity)?)
    }

    /// All pieces of the item, which stock will count as one claim.
    fn pieces(&self, order: &Order) -> Option<Quantity> {
        let same_item = order.lines.iter().filter(|line| line.item_id == self.line.item_id);
        same_item
            .map(|line| line.quantity)
            .try_fold(self.line.quantity, Quantity::checked_add)
    }
}
