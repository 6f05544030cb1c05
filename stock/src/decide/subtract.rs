use domain::{ItemId, Quantity};
use engine::{
    Command, Touches, View,
    keys::{Key, Partition},
};
use ledger::Balanced;

use crate::{problems::Refusal, record::Item};

/// Takes pieces out of the stock, outside of any checkout. The outcome is how many there are then.
#[derive(Debug)]
pub(crate) struct Subtract {
    pub(crate) item_id: ItemId,
    pub(crate) item: Key<Item>,
    pub(crate) amount: Quantity,
}

impl Command for Subtract {
    type Outcome = Result<Quantity, Refusal>;

    fn partition(&self) -> Partition {
        self.item.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.subject(&self.item);
    }

    fn decide(&self, view: &mut View) -> Result<Quantity, Refusal> {
        let item = view
            .get(&self.item)
            .ok_or_else(|| Refusal::UnknownItem(self.item_id.clone()))?;
        let balance = item.balance.withdraw(self.amount).ok_or_else(|| Refusal::OutOfStock {
            item_id: self.item_id.clone(),
            left: item.balance.left(),
            asked: self.amount,
        })?;
        let item = item.with(balance);
        view.put_announced(&self.item, item);
        Ok(balance.left())
    }
}
