//! The load generator: how fast is a checkout, and what does it cost?
//!
//! Each run gets a system of its own on fresh data, and checks out only orders that nobody has checked
//! out before: a repeated checkout of a paid order is answered without any work. It ends with the auditor.
//!
//! ```text
//! options ─> plan ─> measure: system, shop ─> load, mixed or overload ─> gauges, audit ─> runs
//!                                              runs ─> summary, targets ─> table, JSON, HTML
//! ```
//!
//! A soak stands beside them: it measures what grows, and not how fast anything is.

mod audit;
mod connection;
mod figures;
mod gauges;
mod lanes;
mod listening;
mod load;
mod measure;
mod mixed;
mod numbers;
mod options;
mod overload;
mod plan;
mod process;
mod redis;
mod report;
mod run;
mod scenario;
mod shop;
mod soak;
mod summary;
mod system;
mod table;
mod targets;

use std::{fs, path::Path};

use anyhow::Context;
use clap::Parser;
use harness::stop;
use serde::Serialize;

use self::{
    measure::Measurement,
    options::{Command, Options},
    plan::Plan,
    run::Run,
    targets::GoalResult,
};

/// The JSON file.
#[derive(Serialize)]
struct Report<'a> {
    /// What went wrong, if something did.
    failure: Option<String>,
    targets: &'a [GoalResult],
    runs: &'a [Run],
}

/// One thread: on a small machine, a second one would take its share from what is measured.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    harness::programs_are_in(options.programs.clone());
    // Ten thousand connections are more than a program may have open by default.
    rlimit::increase_nofile_limit(u64::MAX).context("no more connections may be opened")?;
    if let Some(Command::Soak(soak)) = &options.command {
        let soaked = unless_stopped(soak::soak(soak)).await?;
        println!("{}", soak::table::of(&soaked));
        if let Some(path) = &options.json {
            write(path, &serde_json::to_string_pretty(&soaked)?)?;
        }
        return soaked.verdict();
    }
    let plan = Plan::of(&options);
    let mut measurement = Measurement {
        clients: options.clients,
        runs: Vec::new(),
    };
    let made = unless_stopped(measurement.make(&plan)).await;
    // What was measured before a run failed may tell why it did.
    report(&options, &measurement.runs, made.as_ref().err())?;
    made
}

/// What the work gives. If somebody asks this program to stop, it is dropped, and its processes and its data with it.
async fn unless_stopped<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let done = stop::unless(stop::on_a_signal(), work).await;
    done.unwrap_or_else(|| Err(anyhow::anyhow!("stopped by a signal")))
}

fn report(options: &Options, runs: &[Run], failure: Option<&anyhow::Error>) -> anyhow::Result<()> {
    let targets = targets::reached(runs);
    let failure = failure.map(|failure| format!("{failure:#}"));
    println!("{}", table::for_terminal(runs, &targets));
    if let Some(path) = &options.html {
        write(path, &report::page(runs, &targets, failure.as_deref())?)?;
        write(&path.with_extension("md"), &table::as_markdown(runs, &targets))?;
    }
    if let Some(path) = &options.json {
        let report = Report {
            failure,
            targets: &targets,
            runs,
        };
        write(path, &serde_json::to_string_pretty(&report)?)?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))?;
    println!("written: {}", path.display());
    Ok(())
}
