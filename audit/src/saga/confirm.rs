//! What was suspicious is read again, and reported if it is still off.

use std::{collections::BTreeMap, time::Duration};

use domain::{SagaId, Timestamp};
use order::inflight::Inflight;

use super::judge::Suspicion;
use crate::{
    finding::{Findings, Kind},
    ledger::LedgerRow,
    participant::{HoldOf, Participant, held},
    sources::Source,
    spill::Spill,
};

/// Reads what is suspicious again, and reports what is still off.
///
/// Where the sagas stand was asked for before: settling removes a hold first, and then takes the saga off the index.
pub(super) async fn confirm<P: Participant>(
    source: &Source,
    inflights: &BTreeMap<SagaId, Inflight>,
    kept: Duration,
    suspicions: &[Suspicion],
    ledger: &mut Spill<LedgerRow<HoldOf<P>>>,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let keys: Vec<String> = suspicions
        .iter()
        .map(|suspicion| P::hold_key(&source.partitions, suspicion.saga_id(), suspicion.id()))
        .collect();
    let values = source.scanner.read(keys.clone()).await?;
    for ((suspicion, key), value) in suspicions.iter().zip(keys).zip(values) {
        let inflight = inflights.get(suspicion.saga_id()).copied();
        // One that cannot be read is a finding of the sweep.
        let read: Option<HoldOf<P>> = value.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let amount_held = read.as_ref().and_then(held);
        match suspicion {
            Suspicion::Certain { kind, detail, .. } => findings.add(*kind, key, detail)?,
            Suspicion::LiveHold { detail, .. } => {
                if amount_held.is_some() {
                    findings.add(Kind::OrphanHold, key, detail)?;
                }
            }
            Suspicion::NotSettled { .. } => {
                if inflight.is_none() && amount_held.is_some() {
                    findings.add(
                        Kind::NeverSettled,
                        key,
                        "its saga is paid and off the index, so it stays for ever",
                    )?;
                }
            }
            Suspicion::NoHold { saga_id, id, amount } => match (read, amount_held) {
                (Some(hold), Some(now)) => {
                    if now != *amount {
                        findings.add(
                            Kind::WrongAmount,
                            &*key,
                            format!("is {now}; its order asks for {amount}"),
                        )?;
                    }
                    ledger.add(
                        id,
                        &LedgerRow::Hold {
                            id: id.clone(),
                            key,
                            hold,
                        },
                    )?;
                }
                (Some(_), _) => findings.add(Kind::PaidButUndone, key, format!("{saga_id} is paid"))?,
                (None, _) => {
                    if inflight.is_some_and(|inflight| !may_be_settled(inflight, kept)) {
                        let detail = format!("{saga_id} is paid, not long ago, and holds no {amount} here");
                        findings.add(Kind::PaidWithoutHold, key, detail)?;
                    }
                    let (id, amount) = (id.clone(), *amount);
                    ledger.add(&id.clone(), &LedgerRow::Sold { id, amount })?;
                }
            },
        }
    }
    Ok(())
}

/// Whether a saga has been paid for so long that a driver may be settling it.
fn may_be_settled(inflight: Inflight, kept: Duration) -> bool {
    // Clocks differ a little.
    const MARGIN: Duration = Duration::from_secs(60);
    match inflight {
        Inflight::UnderWay { .. } => false,
        Inflight::Paid { since } => Timestamp::now().since(since) + MARGIN > kept,
    }
}
