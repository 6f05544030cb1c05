use domain::Quantity;
use engine::{
    Command, Touches, View,
    keys::{Key, Partition},
};

use crate::record::Item;

/// Takes pieces out of the stock, outside of any checkout.
#[derive(Debug)]
pub(crate) struct Subtract {
    /// The item.
    pub(crate) item: Key<Item>,
    /// How many pieces.
    pub(crate) amount: Quantity,
}

/// What became of a [`Subtract`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SubtractOutcome {
    /// The pieces are out; `stock` is the new number.
    Subtracted {
        /// How many pieces there are now.
        stock: Quantity,
    },
    /// There is no such item.
    UnknownItem,
    /// There are fewer pieces. Nothing changed.
    OutOfStock {
        /// How many pieces there are.
        left: Quantity,
    },
}

impl Command for Subtract {
    type Outcome = SubtractOutcome;

    fn partition(&self) -> Partition {
        self.item.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.record(&self.item);
    }

    fn decide(&self, view: &mut View) -> SubtractOutcome {
        let Some(item) = view.get(&self.item).cloned() else {
            return SubtractOutcome::UnknownItem;
        };
        // What is in stock was supplied, so the second difference fails only where the first does.
        let differences = (
            item.stock.checked_sub(self.amount),
            item.supplied.checked_sub(self.amount),
        );
        let (Some(stock), Some(supplied)) = differences else {
            return SubtractOutcome::OutOfStock { left: item.stock };
        };
        view.put(
            &self.item,
            Item {
                stock,
                supplied,
                ..item
            },
        );
        SubtractOutcome::Subtracted { stock }
    }
}
