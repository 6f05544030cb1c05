use domain::{ItemId, Quantity};
use engine::{
    Command, Touches, View,
    keys::{Key, Partition},
};
use ledger::Balanced;

use crate::{problems::Refusal, record::Item};

/// Puts pieces into the stock. The outcome is how many there are then.
#[derive(Debug)]
pub(crate) struct Add {
    pub(crate) item_id: ItemId,
    pub(crate) item: Key<Item>,
    pub(crate) amount: Quantity,
}

impl Command for Add {
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
        let balance = item.balance.supply(self.amount).ok_or_else(|| Refusal::Overflow {
            item_id: self.item_id.clone(),
            asked: self.amount,
        })?;
        let item = item.with(balance);
        view.put_announced(&self.item, item);
        Ok(balance.left())
    }
}
