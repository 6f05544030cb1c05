use domain::{Credits, Quantity};
use engine::{
    Command, Touches, View,
    keys::{Key, Partition},
};
use saga::Line;

use crate::record::{MAX_LINES, Order, Status};

/// Adds a line to an open order.
#[derive(Debug)]
pub(crate) struct AddItem {
    /// The order.
    pub(crate) order: Key<Order>,
    /// What is bought.
    pub(crate) line: Line,
    /// The price of one piece at the time of adding.
    pub(crate) price: Credits,
}

/// What became of an [`AddItem`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AddItemOutcome {
    /// The line is in; `total` is what the order costs now.
    Added {
        /// What the order costs now.
        total: Credits,
    },
    /// There is no such order.
    UnknownOrder,
    /// The order is settled. Nothing changed.
    AlreadyPaid,
    /// A checkout is under way. Nothing changed.
    BeingCheckedOut,
    /// The order has [`MAX_LINES`] lines. Nothing changed.
    TooManyLines,
    /// The total, or the pieces of one item, would be too many to count. Nothing changed.
    Overflow,
}

impl Command for AddItem {
    type Outcome = AddItemOutcome;

    fn partition(&self) -> Partition {
        self.order.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.record(&self.order);
    }

    fn decide(&self, view: &mut View) -> AddItemOutcome {
        let Some(order) = view.get(&self.order) else {
            return AddItemOutcome::UnknownOrder;
        };
        match order.status {
            Status::Open { .. } => {}
            Status::CheckingOut { .. } | Status::Cancelling { .. } => return AddItemOutcome::BeingCheckedOut,
            Status::Paid => return AddItemOutcome::AlreadyPaid,
        }
        if order.lines.len() >= MAX_LINES {
            return AddItemOutcome::TooManyLines;
        }
        let (Some(total), Some(_)) = (self.new_total(order), self.pieces(order)) else {
            return AddItemOutcome::Overflow;
        };
        let mut order = order.clone();
        order.total = total;
        order.lines.push(self.line.clone());
        view.put(&self.order, order);
        AddItemOutcome::Added { total }
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
