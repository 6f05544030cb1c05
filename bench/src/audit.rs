//! The auditor, which every run ends with: a fast run that is off by one is a failed run.

use anyhow::ensure;
use domain::ServiceName;
use serde::Serialize;

use crate::system::System;

/// How many findings to print.
const SHOWN: usize = 10;

/// What the auditor found. A run that is off has none: it fails.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Audit {
    /// How many orders there are.
    pub(crate) orders: u64,
    /// How many of them are paid.
    pub(crate) paid: u64,
    /// How long it took, in milliseconds.
    pub(crate) took_ms: u64,
}

/// Audits a system while it runs.
///
/// # Errors
/// Something is off, fewer orders are paid than were answered so, or the auditor cannot tell.
pub(crate) async fn audit(system: &System, answered_paid: u64) -> anyhow::Result<Audit> {
    let url = |service| system.stores[&service].url();
    let (order, stock, payment) = (
        url(ServiceName::Order),
        url(ServiceName::Stock),
        url(ServiceName::Payment),
    );
    let audit = harness::Audit::try_at(&order, &stock, &payment, &[]).await?;
    ensure!(
        audit.consistent,
        "the audit found what is off: {:?}\n{:#?}",
        audit.off,
        &audit.findings[..audit.findings.len().min(SHOWN)]
    );
    ensure!(
        audit.paid >= answered_paid,
        "{answered_paid} checkouts were answered as paid, and {} are",
        audit.paid
    );
    Ok(Audit {
        orders: audit.orders,
        paid: audit.paid,
        took_ms: audit.took_ms,
    })
}
