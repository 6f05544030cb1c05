//! `holdfast audit`: proves or refutes that stock, credit and orders add up, while the system is in use.
//!
//! ```text
//! stock:   items ──> holds ─┐                                   ┌─> by item: supplied = stock + held + sold
//! payment: accounts ─> holds ┼─> rows by order ─> every saga ────┤
//! order:   index ──> orders ─┘   (spilled)        (saga.rs)     └─> by user: funded = credit + charged
//!          (sweep.rs)                                               (ledger.rs)
//! ```
//!
//! # The cut, and why it is consistent
//! The stores cannot be read at one moment, and need not be. Each item is read once; its serial says which
//! reserves and releases that reading has seen. Its holds are read afterwards, and each tells between which
//! serials it held. So the holds that belong to the reading are known exactly, however much happened in
//! between; a hold that was there at the reading is still there, because tombstones and the holds of paid
//! sagas are kept for longer than an audit may take. Accounts likewise. There is thus one cut for each item and user.
//!
//! Holds are read before the index, and the index before the orders. What an order says is thus at least
//! as late as what its holds say; an order is paid for good, and begun before anything is held. If an
//! answer may have changed in between, it is asked for again, and only what is still off is reported.

mod admin;
mod events;
mod finding;
mod ledger;
mod participant;
mod report;
mod saga;
mod sources;
mod spill;
mod sweep;
mod tools;

use std::{
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use ::ledger::Terms;
use anyhow::ensure;
use bus::Topic;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, builder::TypedValueParser};
use credentials::refuse_passwords;
use domain::{Millis, ServiceName};

use self::{
    admin::AdminOptions,
    events::{EventTotals, SubjectRow, judge_events, sweep_events},
    finding::Findings,
    ledger::balance,
    participant::{Payment, Stock},
    report::Report,
    saga::{Patience, SagaAudit},
    sources::{Addresses, Sources},
    spill::Spill,
    sweep::{Rows, sweep_orders, sweep_participant},
    tools::EventsOptions,
};

/// Holdfast's tools for whoever runs it.
#[derive(Debug, Parser)]
#[command(name = "holdfast", version)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prove that nothing is oversold and nobody is charged twice, or name every record that is off.
    ///
    /// Reads only, and needs no pause. Ends with 0 if all is consistent, with 1 if something is off, and
    /// with 2 if it cannot tell.
    Audit(AuditOptions),
    /// See and replay what is on the bus.
    Events(EventsOptions),
    /// Make the first admin, and API keys, in identity's store.
    Admin(AdminOptions),
}

#[derive(Debug, Args)]
struct AuditOptions {
    #[command(flatten)]
    addresses: Addresses,
    /// Print one JSON document instead of tables.
    #[arg(long)]
    json: bool,
    /// After how many seconds an unfinished saga, or a paid one that is not settled, is a finding.
    #[arg(long, default_value_t = 120)]
    overdue_after: u64,
    /// How long what a finished saga leaves is kept, in milliseconds, as the services are told.
    #[arg(long = "finished-retention-ms", value_name = "MILLIS", env = "FINISHED_RETENTION_MS", default_value_t = Terms::DEFAULT.finished_retention, value_parser = clap::value_parser!(u64).range(1_000..=86_400_000).map(Millis::new))]
    finished_retention: Millis,
    /// Where the rows are spilled that memory should not hold. About 150 bytes a record.
    #[arg(long)]
    spill: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut command = Options::command();
    let matches = command.get_matches_mut();
    refuse_passwords(&mut command, &matches);
    let options = Options::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let options = match options.command {
        Command::Audit(options) => options,
        Command::Events(options) => return ended("events", tools::run(options).await),
        Command::Admin(options) => return ended("admin", admin::run(options).await),
    };
    match audit(&options).await {
        Ok(report) if report.is_consistent() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            eprintln!("holdfast audit cannot tell: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// How the process ends after a tool has done its work, or has not.
fn ended(tool: &str, done: anyhow::Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("holdfast {tool}: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Reads the events of all services, if there is a bus.
async fn audit_events(
    sources: &Sources,
    rows: &mut Spill<SubjectRow>,
    findings: &mut Findings,
) -> anyhow::Result<Option<EventTotals>> {
    let Some(bus) = &sources.bus else {
        return Ok(None);
    };
    let mut totals = EventTotals::default();
    for (service, source) in [
        (ServiceName::Order, &sources.order),
        (ServiceName::Stock, &sources.stock),
        (ServiceName::Payment, &sources.payment),
    ] {
        sweep_events(Topic::of(service), source, bus, rows, &mut totals, findings).await?;
    }
    Ok(Some(totals))
}

async fn audit(options: &AuditOptions) -> anyhow::Result<Report> {
    let started = Instant::now();
    let folder = match &options.spill {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let sources = Sources::open(&options.addresses).await?;
    let mut findings = Findings::start(folder.path())?;
    let mut rows = Rows::start(folder.path())?;
    let runs = sources.runs().await?;
    sweep_participant::<Stock>(
        &sources.stock,
        &mut rows.orders,
        &mut rows.stock,
        &mut rows.events,
        &mut findings,
    )
    .await?;
    sweep_participant::<Payment>(
        &sources.payment,
        &mut rows.orders,
        &mut rows.payment,
        &mut rows.events,
        &mut findings,
    )
    .await?;
    sweep_orders(&sources.order, &mut rows.orders, &mut rows.events, &mut findings).await?;
    let patience = Patience {
        overdue_after: Duration::from_secs(options.overdue_after),
        kept: options.finished_retention.duration(),
    };
    // What was settled before it must be gone, and what is settled during it must stay.
    let most_time = patience.kept * 3 / 4;
    let Rows {
        orders,
        mut stock,
        mut payment,
        mut events,
    } = rows;
    let totals = audit_events(&sources, &mut events, &mut findings).await?;
    judge_events(events, &mut findings)?;
    let sagas = SagaAudit::new(&sources, patience, &mut stock, &mut payment, &mut findings)
        .run(orders)
        .await?;
    let items = balance::<Stock>(&sources.stock, stock, &mut findings).await?;
    let accounts = balance::<Payment>(&sources.payment, payment, &mut findings).await?;
    ensure!(
        sources.runs().await? == runs,
        "a Redis server was started anew during the audit, which a scan does not survive; run it again"
    );
    ensure!(
        started.elapsed() < most_time,
        "it took longer than {} s, three quarters of the time for which finished sagas are remembered",
        most_time.as_secs()
    );
    let report = Report {
        items,
        accounts,
        sagas,
        events: totals,
        took: started.elapsed(),
        findings: findings.finish()?,
    };
    report.print(options.json)?;
    Ok(report)
}
