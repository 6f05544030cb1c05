//! Stock and payment, as far as an audit sees them alike: records with a balance, and what sagas hold of it.

use std::collections::BTreeMap;

use bus::Topic;
use domain::{Amount, SagaId, ServiceName};
use engine::keys::Partitions;
use ledger::{Balance, Balanced, Hold};
use order::record::Sale;
use payment::record::Account;
use saga::Line;
use stock::record::Item;

/// A participant of every saga.
pub(crate) trait Participant {
    /// What a record is called, which is also its keys' kind.
    const RECORD: &'static str;
    /// Where events about its records go.
    const TOPIC: Topic;
    /// What holds take from.
    type Record: Balanced;

    /// The key of a record.
    fn record_key(partitions: &Partitions, id: &str) -> String {
        let key = partitions.key::<Self::Record>(Self::RECORD, partitions.of(id), id);
        key.name().to_string()
    }

    /// The key of a saga's hold on a record, in the record's partition.
    fn hold_key(partitions: &Partitions, saga_id: &SagaId, id: &str) -> String {
        let id_with_saga = format_args!("{saga_id}:{id}");
        let key = partitions.key::<HoldOf<Self>>("hold", partitions.of(id), id_with_saga);
        key.name().to_string()
    }

    /// How many events there were about a record.
    fn sequence(record: &Self::Record) -> u64;

    /// What a saga with these lines, user and total must hold: an amount for each record's id.
    fn claims(wanted: &SagaContents<'_>) -> BTreeMap<String, i64>;
}

/// What a saga has taken of a participant's record.
pub(crate) type HoldOf<P> = Hold<<<P as Participant>::Record as Balanced>::Amount>;

/// What a hold keeps from others; nothing if it is a tombstone.
pub(crate) fn held<A: Amount>(hold: &Hold<A>) -> Option<i64> {
    hold.held().map(Amount::get)
}

/// What a saga asks for.
pub(crate) struct SagaContents<'a> {
    pub(crate) user_id: &'a str,
    pub(crate) lines: &'a [Line],
    pub(crate) total: i64,
}

impl<'a> SagaContents<'a> {
    pub(crate) fn by(sale: &'a Sale) -> Self {
        Self {
            user_id: sale.user_id.as_str(),
            lines: &sale.lines,
            total: sale.total.get(),
        }
    }
}

/// A record's balance at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    /// How much has gone to sagas: what came in, less what is left.
    pub(crate) out: i128,
    /// Which takings and givings back the moment has seen.
    pub(crate) serial: u64,
}

impl<A: Amount> From<&Balance<A>> for Reading {
    fn from(balance: &Balance<A>) -> Self {
        Self {
            out: i128::from(balance.supplied().get()) - i128::from(balance.left().get()),
            serial: balance.serial(),
        }
    }
}

/// Items and what sagas hold of them.
pub(crate) struct Stock;

impl Participant for Stock {
    const RECORD: &'static str = "item";
    const TOPIC: Topic = Topic::of(ServiceName::Stock);
    type Record = Item;

    fn sequence(record: &Item) -> u64 {
        record.sequence.get()
    }

    fn claims(wanted: &SagaContents<'_>) -> BTreeMap<String, i64> {
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
pub(crate) struct Payment;

impl Participant for Payment {
    const RECORD: &'static str = "account";
    const TOPIC: Topic = Topic::of(ServiceName::Payment);
    type Record = Account;

    fn sequence(record: &Account) -> u64 {
        record.sequence.get()
    }

    fn claims(wanted: &SagaContents<'_>) -> BTreeMap<String, i64> {
        BTreeMap::from([(wanted.user_id.to_owned(), wanted.total)])
    }
}
