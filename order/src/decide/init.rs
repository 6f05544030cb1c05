use std::borrow::Cow;

use shared::{
    amounts::Credits,
    engine::{Command, Touches, View},
    ids::UserId,
    keys::{Key, Partition},
    protocol::Line,
};

use crate::record::{Order, Status};

/// Creates orders, or sets existing ones to these lines, open.
///
/// An order that is being checked out stays as it is: its saga's steps have happened elsewhere.
#[derive(Debug)]
pub struct Init {
    /// Where all the orders live.
    pub partition: Partition,
    /// The orders.
    pub orders: Vec<NewOrder>,
}

/// One order to create.
#[derive(Debug)]
pub struct NewOrder {
    /// Where it will be.
    pub order: Key<Order>,
    /// Who pays.
    pub user_id: UserId,
    /// What is bought.
    pub lines: Vec<Line>,
    /// What it costs.
    pub total: Credits,
}

/// What became of an [`Init`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InitOutcome {
    /// How many orders stayed as they were, because they are being checked out.
    pub busy: usize,
}

impl Command for Init {
    type Outcome = InitOutcome;

    fn partition(&self) -> Partition {
        self.partition
    }

    fn touches(&self, touches: &mut Touches) {
        self.orders.iter().for_each(|new| touches.record(&new.order));
    }

    fn decide(&self, view: &mut View) -> InitOutcome {
        let mut busy = 0;
        for new in &self.orders {
            let old = view.get(&new.order);
            if old.is_some_and(|order| order.drive().is_some()) {
                busy += 1;
                continue;
            }
            // The count of attempts goes on, so that no saga finds the hold of an earlier one of its name.
            let attempt = old.map_or(0, |order| order.attempt);
            let earlier_sales = old.map_or_else(Vec::new, |order| order.sales().map(Cow::into_owned).collect());
            let order = Order {
                user_id: new.user_id.clone(),
                lines: new.lines.clone(),
                total: new.total,
                attempt,
                earlier_sales,
                status: Status::Open { last_failure: None },
            };
            view.put(&new.order, order);
        }
        InitOutcome { busy }
    }
}
