//! What stock announces. ARCHITECTURE.md lists all events.

use domain::{Credits, Quantity};
use engine::{Announced, Event, EventKind, Outbox};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::record::Item;

/// An item was created.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ItemCreated {
    /// The price of one piece.
    pub price: Credits,
    /// How many pieces can be bought.
    pub stock: Quantity,
}

/// An item has another price.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ItemPriceChanged {
    /// The price of one piece.
    pub price: Credits,
    /// What it was before.
    pub before: Credits,
}

/// There is another number of pieces. One event may stand for many changes.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ItemStockChanged {
    /// How many pieces can be bought.
    pub stock: Quantity,
    /// How many pieces ever came in, less those that were taken out by hand.
    pub supplied: Quantity,
    /// How often sagas have taken or given back pieces.
    pub serial: u64,
}

/// The stock has fallen to the level that the item names, or below.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ItemLow {
    /// How many pieces can be bought.
    pub stock: Quantity,
    /// The level.
    pub low_level: Quantity,
}

/// The last piece is gone.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ItemSoldOut {
    /// How many pieces ever came in, less those that were taken out by hand.
    pub supplied: Quantity,
}

/// There are pieces again.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ItemRestocked {
    /// How many pieces can be bought.
    pub stock: Quantity,
}

impl Event for ItemCreated {
    const TYPE: &'static str = "item.created";

    fn example() -> Self {
        Self {
            price: Credits::from(1_250),
            stock: Quantity::from(100),
        }
    }
}

impl Event for ItemPriceChanged {
    const TYPE: &'static str = "item.price_changed";

    fn example() -> Self {
        Self {
            price: Credits::from(990),
            before: Credits::from(1_250),
        }
    }
}

impl Event for ItemStockChanged {
    const TYPE: &'static str = "item.stock_changed";

    fn example() -> Self {
        Self {
            stock: Quantity::from(97),
            supplied: Quantity::from(100),
            serial: 2,
        }
    }
}

impl Event for ItemLow {
    const TYPE: &'static str = "item.low";

    fn example() -> Self {
        Self {
            stock: Quantity::from(5),
            low_level: Quantity::from(5),
        }
    }
}

impl Event for ItemSoldOut {
    const TYPE: &'static str = "item.sold_out";

    fn example() -> Self {
        Self {
            supplied: Quantity::from(100),
        }
    }
}

impl Event for ItemRestocked {
    const TYPE: &'static str = "item.restocked";

    fn example() -> Self {
        Self {
            stock: Quantity::from(50),
        }
    }
}

/// All that stock announces.
#[must_use]
pub fn kinds() -> Vec<EventKind> {
    vec![
        EventKind::new::<ItemCreated>(),
        EventKind::new::<ItemPriceChanged>(),
        EventKind::new::<ItemStockChanged>(),
        EventKind::new::<ItemLow>(),
        EventKind::new::<ItemSoldOut>(),
        EventKind::new::<ItemRestocked>(),
    ]
}

impl Announced for Item {
    fn announce(&mut self, before: Option<&Self>, outbox: &mut Outbox<'_>) {
        let stock = self.balance.left();
        let Some(before) = before else {
            let price = self.price;
            outbox.emit(&mut self.sequence, &ItemCreated { price, stock });
            return;
        };
        if self.price != before.price {
            let (price, before) = (self.price, before.price);
            outbox.emit(&mut self.sequence, &ItemPriceChanged { price, before });
        }
        if self.balance != before.balance {
            let (supplied, serial) = (self.balance.supplied(), self.balance.serial());
            let changed = ItemStockChanged {
                stock,
                supplied,
                serial,
            };
            outbox.emit(&mut self.sequence, &changed);
        }
        self.announce_levels(before.balance.left(), outbox);
    }
}

impl Item {
    /// Announces which levels the stock has crossed.
    fn announce_levels(&mut self, before: Quantity, outbox: &mut Outbox<'_>) {
        let (stock, none) = (self.balance.left(), Quantity::ZERO);
        if let Some(low_level) = self.low_level.filter(|level| stock <= *level && before > *level) {
            outbox.emit(&mut self.sequence, &ItemLow { stock, low_level });
        }
        if stock == none && before > none {
            let supplied = self.balance.supplied();
            outbox.emit(&mut self.sequence, &ItemSoldOut { supplied });
        }
        if stock > none && before == none {
            outbox.emit(&mut self.sequence, &ItemRestocked { stock });
        }
    }
}
