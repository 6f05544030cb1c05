//! The auditor, which every run ends with: a fast run that is off by one is a failed run.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use tokio::process::Command;

/// How many findings to print.
const TOLD: usize = 10;

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

/// What `holdfast audit --json` says.
#[derive(Debug, Deserialize)]
struct Said {
    consistent: bool,
    took_ms: u64,
    orders: u64,
    paid: u64,
    off: BTreeMap<String, u64>,
    findings: Vec<serde_json::Value>,
}

/// Audits the stores below `data`, one folder and socket for each service, while the system runs.
///
/// # Errors
/// If something is off, if fewer orders are paid than were answered so, or if the auditor cannot tell.
pub(crate) async fn audit(programs: &Path, data: &Path, answered_paid: u64) -> anyhow::Result<Audit> {
    let auditor = programs.join("holdfast");
    let output = Command::new(&auditor)
        .args(["audit", "--json", "--data"])
        .arg(data)
        .output()
        .await
        .with_context(|| format!("{} cannot be started", auditor.display()))?;
    let said: Said = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("the auditor cannot tell: {}", String::from_utf8_lossy(&output.stderr)))?;
    let told: Vec<String> = said.findings.iter().take(TOLD).map(ToString::to_string).collect();
    ensure!(
        said.consistent && output.status.success(),
        "the audit found what is off: {:?}\n{}",
        said.off,
        told.join("\n")
    );
    ensure!(
        said.paid >= answered_paid,
        "{answered_paid} checkouts were answered as paid, and {} are",
        said.paid
    );
    Ok(Audit {
        orders: said.orders,
        paid: said.paid,
        took_ms: said.took_ms,
    })
}
