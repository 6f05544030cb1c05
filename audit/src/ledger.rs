//! The books: for each item and user, what came in against what is left, held and sold.

use std::collections::BTreeMap;

use domain::Amount;
use serde::{Deserialize, Serialize};

use crate::{
    finding::{Findings, Kind},
    participant::{HoldOf, Participant, Reading},
    sources::Source,
    spill::Spill,
};

/// What counts in one record's balance.
#[derive(Serialize, Deserialize)]
pub(crate) enum LedgerRow<H> {
    /// The record, as it was read.
    Reading { id: String, out: i128, serial: u64 },
    /// A hold on it.
    Hold { id: String, key: String, hold: H },
    /// What a paid saga took, whose hold has been settled and forgotten.
    Sold { id: String, amount: i64 },
}

impl<H> LedgerRow<H> {
    pub(crate) fn reading(id: &str, Reading { out, serial }: Reading) -> Self {
        Self::Reading {
            id: id.to_owned(),
            out,
            serial,
        }
    }
}

/// What is known of one record.
struct Account<H> {
    reading: Option<Reading>,
    sold: i128,
    /// Kept until the reading is known.
    holds: Vec<(String, H)>,
    held: i128,
}

impl<H> Default for Account<H> {
    fn default() -> Self {
        Self {
            reading: None,
            sold: 0,
            holds: Vec::new(),
            held: 0,
        }
    }
}

/// Balances every record of one participant, and returns how many there are.
pub(crate) async fn balance<P: Participant>(
    source: &Source,
    rows: Spill<LedgerRow<HoldOf<P>>>,
    findings: &mut Findings,
) -> anyhow::Result<u64> {
    let mut records = 0;
    for bucket in rows.into_buckets() {
        let mut accounts: BTreeMap<String, Account<HoldOf<P>>> = BTreeMap::new();
        for row in bucket? {
            match row? {
                LedgerRow::Reading { id, out, serial } => {
                    // A scan may name a record twice. Any reading will do: all are older than the holds.
                    accounts.entry(id).or_default().reading = Some(Reading { out, serial });
                }
                LedgerRow::Sold { id, amount } => accounts.entry(id).or_default().sold += i128::from(amount),
                LedgerRow::Hold { id, key, hold } => {
                    let account = accounts.entry(id).or_default();
                    match account.reading {
                        Some(reading) => account.held += i128::from(hold.amount_at(reading.serial).get()),
                        None => account.holds.push((key, hold)),
                    }
                }
            }
        }
        for (id, account) in accounts {
            records += u64::from(account.reading.is_some());
            check::<P>(source, &id, &account, findings).await?;
        }
    }
    Ok(records)
}

async fn check<P: Participant>(
    source: &Source,
    id: &str,
    account: &Account<HoldOf<P>>,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let key = P::record_key(&source.partitions, id);
    if let Some(Reading { out, .. }) = account.reading {
        let Account { held, sold, .. } = account;
        if out != held + sold {
            let detail = format!("{out} went out, but sagas hold {held} and {sold} more was sold and settled");
            findings.add(Kind::Unbalanced, key, detail)?;
        }
        return Ok(());
    }
    // The record may have been made after the records were read. Then whatever is on it came later, too.
    if source.scanner.kind(&key).await? != "none" {
        return Ok(());
    }
    for (hold_key, hold) in &account.holds {
        if hold.held().is_some() {
            findings.add(Kind::HoldOnNothing, hold_key, format!("there is no {key}"))?;
        }
    }
    if account.sold != 0 {
        let detail = format!("does not exist, but {} of it was sold and settled", account.sold);
        findings.add(Kind::HoldOnNothing, key, detail)?;
    }
    Ok(())
}
