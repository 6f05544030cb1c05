//! Reading the stores from end to end, into rows.

use std::path::Path;

use bus::Topic;
use domain::{OrderId, SagaId, ServiceName};
use engine::{
    keys::ParsedName,
    store::scan::{Expiry, START},
};
use ledger::Balanced;
use order::record::{Order, Sale};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    events::{Ends, SubjectRow, count},
    finding::{Findings, Kind},
    ledger::LedgerRow,
    participant::{HoldOf, Participant, Payment, Reading, Stock, held},
    sources::Source,
    spill::Spill,
};

/// What is known of one order.
#[derive(Serialize, Deserialize)]
pub(crate) enum OrderRow {
    /// Its record.
    Order(OrderId, Order),
    /// What one of its sagas has sold, before somebody set the order back.
    Sale(SagaId, Sale),
    /// One of its sagas is in the index, with this score.
    Entry(SagaId, f64),
    /// One of its sagas has a hold on an item.
    Stock(SagaId, String, stock::record::Hold),
    /// One of its sagas has a hold on an account.
    Payment(SagaId, String, payment::record::Hold),
}

/// A participant whose holds can be told from the other's in an order's rows.
pub(crate) trait SagaRow: Participant {
    fn row(saga_id: SagaId, id: String, hold: HoldOf<Self>) -> OrderRow;
}

impl SagaRow for Stock {
    fn row(saga_id: SagaId, id: String, hold: HoldOf<Self>) -> OrderRow {
        OrderRow::Stock(saga_id, id, hold)
    }
}

impl SagaRow for Payment {
    fn row(saga_id: SagaId, id: String, hold: HoldOf<Self>) -> OrderRow {
        OrderRow::Payment(saga_id, id, hold)
    }
}

/// All rows.
pub(crate) struct Rows {
    pub(crate) orders: Spill<OrderRow>,
    pub(crate) stock: Spill<LedgerRow<stock::record::Hold>>,
    pub(crate) payment: Spill<LedgerRow<payment::record::Hold>>,
    pub(crate) events: Spill<SubjectRow>,
}

impl Rows {
    pub(crate) fn start(folder: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            orders: Spill::start(folder)?,
            stock: Spill::start(folder)?,
            payment: Spill::start(folder)?,
            events: Spill::start(folder)?,
        })
    }
}

/// Reads one participant: first every record, then every hold, so that a hold is never older than its record.
pub(crate) async fn sweep_participant<P: SagaRow>(
    source: &Source,
    orders: &mut Spill<OrderRow>,
    ledger: &mut Spill<LedgerRow<HoldOf<P>>>,
    events: &mut Spill<SubjectRow>,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let mut from = Some(START.to_owned());
    while let Some(cursor) = from {
        let page = source.scanner.keys(&format!("{}:*", P::RECORD), &cursor).await?;
        for stored in read_page::<P::Record>(source, page.entries, findings).await? {
            let id = ParsedName::parse(&stored.name)
                .and_then(|name| name.id)
                .unwrap_or_default();
            if P::record_key(&source.partitions, id) != stored.name {
                misplaced(&stored.name, findings)?;
                continue;
            }
            would_expire(&stored, findings)?;
            let reading = Reading::from(stored.record.balance());
            ledger.add(id, &LedgerRow::reading(id, reading))?;
            count(events, P::TOPIC, id, P::sequence(&stored.record), None)?;
        }
        from = page.next;
    }
    let mut from = Some(START.to_owned());
    while let Some(cursor) = from {
        let page = source.scanner.keys("*", &cursor).await?;
        let holds = keys_of_kind("hold", &[P::RECORD], page.entries, findings)?;
        for stored in read_page::<HoldOf<P>>(source, holds, findings).await? {
            let parsed = parse_hold(&stored.name)
                .filter(|(saga_id, id)| P::hold_key(&source.partitions, saga_id, id) == stored.name);
            let Some((saga_id, id)) = parsed else {
                misplaced(&stored.name, findings)?;
                continue;
            };
            check_hold_expiry::<P>(source, &stored, findings).await?;
            let order = saga_id.order.to_string();
            orders.add(&order, &P::row(saga_id, id, stored.record))?;
        }
        from = page.next;
    }
    Ok(())
}

/// Reads order's index, then every order, and then every sale: so an order that was set back before it was read has
/// left its sale's record before the sales are read.
pub(crate) async fn sweep_orders(
    source: &Source,
    rows: &mut Spill<OrderRow>,
    events: &mut Spill<SubjectRow>,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let keys = order::keys::Keys::new(source.partitions.clone());
    for partition in source.partitions.all() {
        let index = keys.inflight(partition);
        let kind = source.scanner.kind(index.name()).await?;
        if kind != "zset" && kind != "none" {
            findings.add(Kind::Unreadable, &**index.name(), format!("is a {kind}, not an index"))?;
            continue;
        }
        let mut from = Some(START.to_owned());
        while let Some(cursor) = from {
            let page = source.scanner.members(index.name(), &cursor).await?;
            for (member, score) in page.entries {
                match member.parse::<SagaId>() {
                    Ok(saga_id) if keys.inflight(source.partitions.of(saga_id.order.as_str())) == index => {
                        let order = saga_id.order.to_string();
                        rows.add(&order, &OrderRow::Entry(saga_id, score))?;
                    }
                    Ok(_) => findings.add(
                        Kind::Misplaced,
                        format!("{} {member}", index.name()),
                        "is in another partition's index",
                    )?,
                    Err(error) => findings.add(
                        Kind::Unreadable,
                        format!("{} {member}", index.name()),
                        error.to_string(),
                    )?,
                }
            }
            from = page.next;
        }
    }
    let mut from = Some(START.to_owned());
    while let Some(cursor) = from {
        let page = source.scanner.keys("*", &cursor).await?;
        let orders = keys_of_kind("order", &["sale", "rejection", "inflight"], page.entries, findings)?;
        for stored in read_page::<Order>(source, orders, findings).await? {
            let id = ParsedName::parse(&stored.name)
                .and_then(|name| name.id)
                .unwrap_or_default();
            match id.parse::<OrderId>() {
                Ok(order_id) if **keys.order(&order_id).name() == *stored.name => {
                    would_expire(&stored, findings)?;
                    let (topic, sequence) = (Topic::of(ServiceName::Order), stored.record.sequence.get());
                    count(events, topic, id, sequence, Some(Ends::from(&stored.record)))?;
                    rows.add(id, &OrderRow::Order(order_id, stored.record))?;
                }
                _ => misplaced(&stored.name, findings)?,
            }
        }
        from = page.next;
    }
    sweep_sales(source, &keys, rows, findings).await
}

async fn sweep_sales(
    source: &Source,
    keys: &order::keys::Keys,
    rows: &mut Spill<OrderRow>,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let mut from = Some(START.to_owned());
    while let Some(cursor) = from {
        let page = source.scanner.keys("sale:*", &cursor).await?;
        for stored in read_page::<Sale>(source, page.entries, findings).await? {
            let id = ParsedName::parse(&stored.name)
                .and_then(|name| name.id)
                .unwrap_or_default();
            match id.parse::<SagaId>() {
                Ok(saga_id) if **keys.sale(&saga_id).name() == *stored.name => {
                    would_expire(&stored, findings)?;
                    let order = saga_id.order.to_string();
                    rows.add(&order, &OrderRow::Sale(saga_id, stored.record))?;
                }
                _ => misplaced(&stored.name, findings)?,
            }
        }
        from = page.next;
    }
    Ok(())
}

/// A record, its key, and how long it stays.
struct Stored<R> {
    name: String,
    record: R,
    expiry: Expiry,
}

/// Reads the records under these keys; what cannot be read is a finding.
///
/// Reads how long they stay before what they hold; otherwise a record could turn into an expiring one in between.
async fn read_page<R: DeserializeOwned>(
    source: &Source,
    names: Vec<String>,
    findings: &mut Findings,
) -> anyhow::Result<Vec<Stored<R>>> {
    let expiries = source.scanner.expiries(&names).await?;
    let values = source.scanner.read(names.clone()).await?;
    let mut records = Vec::with_capacity(names.len());
    for ((name, expiry), value) in names.into_iter().zip(expiries).zip(values) {
        if let Some(bytes) = value {
            match serde_json::from_slice(&bytes) {
                Ok(record) => records.push(Stored { name, record, expiry }),
                Err(error) => findings.add(Kind::Unreadable, name, error.to_string())?,
            }
        } else {
            let kind = source.scanner.kind(&name).await?;
            // What is gone has expired since the scan named it.
            if kind != "none" && kind != "string" {
                findings.add(Kind::Unreadable, name, format!("is a {kind}, not a record"))?;
            }
        }
    }
    Ok(records)
}

/// The kinds of keys that the engine has in every store.
const ENGINES_OWN: [&str; 4] = ["idempotency", "fence", "events", "turn"];

/// The keys of one kind. Those of other kinds are another sweep's, or nobody's.
fn keys_of_kind(
    kind: &str,
    others: &[&str],
    names: Vec<String>,
    findings: &mut Findings,
) -> anyhow::Result<Vec<String>> {
    let mut of_kind = Vec::with_capacity(names.len());
    for name in names {
        match ParsedName::parse(&name) {
            Some(parsed) if parsed.kind == kind => of_kind.push(name),
            Some(parsed) if others.contains(&parsed.kind) || ENGINES_OWN.contains(&parsed.kind) => {}
            None if name == "holdfast" => {}
            _ => findings.add(Kind::UnknownKey, name, "is made by no service of Holdfast")?,
        }
    }
    Ok(of_kind)
}

fn parse_hold(name: &str) -> Option<(SagaId, String)> {
    let (saga_id, id) = ParsedName::parse(name)?.id?.split_once(':')?;
    Some((saga_id.parse().ok()?, id.to_owned()))
}

fn misplaced(name: &str, findings: &mut Findings) -> anyhow::Result<()> {
    findings.add(
        Kind::Misplaced,
        name,
        "its id belongs under another key; no service finds it here",
    )
}

fn would_expire<R>(stored: &Stored<R>, findings: &mut Findings) -> anyhow::Result<()> {
    if let Expiry::In(left) = stored.expiry {
        let detail = format!("Redis will forget it in {} s", left.as_secs());
        findings.add(Kind::WouldExpire, &*stored.name, detail)?;
    }
    Ok(())
}

async fn check_hold_expiry<P: Participant>(
    source: &Source,
    stored: &Stored<HoldOf<P>>,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    match held(&stored.record) {
        Some(_) => would_expire(stored, findings),
        // It may have become what it is after it was asked how long it stays.
        None if stored.expiry == Expiry::Never => {
            let now = source.scanner.expiries(std::slice::from_ref(&stored.name)).await?;
            if now == [Expiry::Never] {
                findings.add(Kind::NeverExpires, &*stored.name, "is finished, and stays for ever")?;
            }
            Ok(())
        }
        None => Ok(()),
    }
}
