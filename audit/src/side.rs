//! Stock and payment, as far as an audit sees them alike: a record that holds take from.

use std::collections::BTreeMap;

use domain::SagaId;
use engine::keys::Partitions;
use order::record::Sale;
use saga::Line;
use serde::{Serialize, de::DeserializeOwned};

/// One side of every saga.
pub(crate) trait Side {
    /// What a record is called, which is also its keys' kind.
    const RECORD: &'static str;
    /// What holds take from.
    type Record: DeserializeOwned;
    /// What a saga has taken.
    type Hold: Serialize + DeserializeOwned + Clone;

    /// The key of a record.
    fn record_key(partitions: &Partitions, id: &str) -> String {
        let key = partitions.key::<Self::Record>(Self::RECORD, partitions.of(id), id);
        key.name().to_string()
    }

    /// The key of a saga's hold on a record, in the record's partition.
    fn hold_key(partitions: &Partitions, saga_id: &SagaId, id: &str) -> String {
        let id_with_saga = format_args!("{saga_id}:{id}");
        let key = partitions.key::<Self::Hold>("hold", partitions.of(id), id_with_saga);
        key.name().to_string()
    }

    /// What a record says of itself.
    fn reading(record: &Self::Record) -> Reading;
    /// What a hold is.
    fn state(hold: &Self::Hold) -> State;
    /// How much a hold accounts for in a reading with this serial.
    fn amount_at(hold: &Self::Hold, serial: u64) -> i64;
    /// What a saga with these lines, user and total must hold: an amount for each record's id.
    fn claims(wanted: &Wanted<'_>) -> BTreeMap<String, i64>;
}

/// What a saga asks for.
pub(crate) struct Wanted<'a> {
    pub(crate) user_id: &'a str,
    pub(crate) lines: &'a [Line],
    pub(crate) total: i64,
}

impl<'a> Wanted<'a> {
    pub(crate) fn by(sale: &'a Sale) -> Self {
        Self {
            user_id: sale.user_id.as_str(),
            lines: &sale.lines,
            total: sale.total.get(),
        }
    }
}

/// A record's counters at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    /// How much has gone to sagas: what came in, less what is left.
    pub(crate) out: i128,
    /// Which takings and givings back the moment has seen.
    pub(crate) serial: u64,
}

/// What a hold is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Taken.
    Held(i64),
    /// Given back, or refused.
    Tombstone,
}

/// Items and what sagas hold of them.
pub(crate) struct StockSide;

impl Side for StockSide {
    const RECORD: &'static str = "item";
    type Record = stock::record::Item;
    type Hold = stock::record::Hold;

    fn reading(item: &Self::Record) -> Reading {
        Reading {
            out: i128::from(item.supplied.get()) - i128::from(item.stock.get()),
            serial: item.serial,
        }
    }

    fn state(hold: &Self::Hold) -> State {
        use stock::record::Hold;
        match hold {
            Hold::Held { quantity, .. } => State::Held(quantity.get()),
            Hold::Released { .. } | Hold::OutOfStock { .. } | Hold::ItemGone | Hold::NoRoom => State::Tombstone,
        }
    }

    fn amount_at(hold: &Self::Hold, serial: u64) -> i64 {
        hold.quantity_at(serial).get()
    }

    fn claims(wanted: &Wanted<'_>) -> BTreeMap<String, i64> {
        let mut claims = BTreeMap::new();
        for line in wanted.lines {
            // An order takes no line that would make its sum too large.
            let sum: &mut i64 = claims.entry(line.item_id.to_string()).or_default();
            *sum = sum.saturating_add(line.quantity.get());
        }
        claims
    }
}

/// Accounts and what sagas have charged to them.
pub(crate) struct PaymentSide;

impl Side for PaymentSide {
    const RECORD: &'static str = "account";
    type Record = payment::record::Account;
    type Hold = payment::record::Hold;

    fn reading(account: &Self::Record) -> Reading {
        Reading {
            out: i128::from(account.funded.get()) - i128::from(account.credit.get()),
            serial: account.serial,
        }
    }

    fn state(hold: &Self::Hold) -> State {
        use payment::record::Hold;
        match hold {
            Hold::Charged { amount, .. } => State::Held(amount.get()),
            Hold::Refunded { .. } | Hold::InsufficientCredit { .. } | Hold::UnknownUser | Hold::NoRoom => {
                State::Tombstone
            }
        }
    }

    fn amount_at(hold: &Self::Hold, serial: u64) -> i64 {
        hold.amount_at(serial).get()
    }

    fn claims(wanted: &Wanted<'_>) -> BTreeMap<String, i64> {
        BTreeMap::from([(wanted.user_id.to_owned(), wanted.total)])
    }
}
