//! What the auditor prints.

use std::{
    io::{self, Write},
    time::Duration,
};

use serde::Serialize;

use crate::{events::EventTotals, finding::FindingsFile, saga::SagaCounts};

/// The outcome of an audit.
pub(crate) struct Report {
    pub(crate) items: u64,
    pub(crate) accounts: u64,
    pub(crate) sagas: SagaCounts,
    /// None if no bus was named.
    pub(crate) events: Option<EventTotals>,
    pub(crate) took: Duration,
    pub(crate) findings: FindingsFile,
}

impl Report {
    /// Whether nothing is off.
    pub(crate) fn is_consistent(&self) -> bool {
        self.findings.counts.is_empty()
    }

    pub(crate) fn print(&self, json: bool) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        if json {
            self.json(&mut out)
        } else {
            self.tables(&mut out)
        }
    }

    /// One document, its findings written as they are read: they may be many.
    fn json(&self, out: &mut impl Write) -> anyhow::Result<()> {
        #[derive(Serialize)]
        struct Head<'a> {
            consistent: bool,
            took_ms: u128,
            items: u64,
            accounts: u64,
            #[serde(flatten)]
            sagas: &'a SagaCounts,
            #[serde(flatten)]
            events: Option<EventTotals>,
        }
        let head = serde_json::to_string(&Head {
            consistent: self.is_consistent(),
            took_ms: self.took.as_millis(),
            items: self.items,
            accounts: self.accounts,
            sagas: &self.sagas,
            events: self.events,
        })?;
        let counts = serde_json::to_string(&self.findings.counts)?;
        let head = head.trim_end_matches('}');
        write!(out, "{head},\"off\":{counts},\"findings\":[")?;
        for (number, finding) in self.findings.all().enumerate() {
            out.write_all(if number == 0 { b"\n" } else { b",\n" })?;
            serde_json::to_writer(&mut *out, &finding?)?;
        }
        writeln!(out, "]}}")?;
        Ok(())
    }

    fn tables(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let SagaCounts {
            orders,
            paid,
            under_way,
            in_flight,
            stock_holds,
            payment_holds,
        } = self.sagas;
        writeln!(out, "{:<10} {:>12}   {:>12} holds", "items", self.items, stock_holds)?;
        writeln!(
            out,
            "{:<10} {:>12}   {:>12} holds",
            "accounts", self.accounts, payment_holds
        )?;
        writeln!(
            out,
            "{:<10} {orders:>12}   {paid:>12} paid sagas   {under_way} under way   {in_flight} in the index",
            "orders"
        )?;
        if let Some(totals) = self.events {
            let EventTotals {
                events,
                entries_waiting,
                entries_lost,
            } = totals;
            writeln!(
                out,
                "{:<10} {events:>12}   {entries_waiting:>12} entries wait   {entries_lost} lost",
                "events"
            )?;
        }
        writeln!(out)?;
        for finding in self.findings.all() {
            let finding = finding?;
            let kind = serde_json::to_value(finding.kind)?;
            writeln!(
                out,
                "{:<18} {}\n{:<18}   {}",
                kind.as_str().unwrap_or_default(),
                finding.record,
                "",
                finding.detail
            )?;
        }
        let seconds = self.took.as_secs_f64();
        if self.is_consistent() {
            writeln!(out, "consistent: every item, user and saga adds up ({seconds:.1} s)")?;
        } else {
            let off: u64 = self.findings.counts.values().sum();
            writeln!(out, "\nNOT CONSISTENT: {off} findings ({seconds:.1} s)")?;
        }
        Ok(())
    }
}
