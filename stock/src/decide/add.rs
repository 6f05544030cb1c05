use domain::Quantity;
use engine::{
    Command, Touches, View,
    keys::{Key, Partition},
};

use crate::record::Item;

/// Puts pieces into the stock.
#[derive(Debug)]
pub(crate) struct Add {
    /// The item.
    pub(crate) item: Key<Item>,
    /// How many pieces.
    pub(crate) amount: Quantity,
}

/// What became of an [`Add`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AddOutcome {
    /// The pieces are in; `stock` is the new number.
    Added {
        /// How many pieces there are now.
        stock: Quantity,
    },
    /// There is no such item.
    UnknownItem,
    /// All pieces that ever came in would be too many to count. Nothing changed.
    Overflow,
}

impl Command for Add {
    type Outcome = AddOutcome;

    fn partition(&self) -> Partition {
        self.item.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.record(&self.item);
    }

    fn decide(&self, view: &mut View) -> AddOutcome {
        let Some(item) = view.get(&self.item).cloned() else {
            return AddOutcome::UnknownItem;
        };
        let sums = (
            item.stock.checked_add(self.amount),
            item.supplied.checked_add(self.amount),
        );
        let (Some(stock), Some(supplied)) = sums else {
            return AddOutcome::Overflow;
        };
        view.put(
            &self.item,
            Item {
                stock,
                supplied,
                ..item
            },
        );
        AddOutcome::Added { stock }
    }
}
