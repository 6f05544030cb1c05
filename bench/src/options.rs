//! What the command line says.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};

use crate::{scenario::Scenario, system::Composition};

/// Measures checkouts, with everything (services, Redis, load) on this machine.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", version)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// What to run.
    #[arg(value_enum, default_values_t = [Scenario::Uniform, Scenario::Hot], conflicts_with_all = ["quick", "full"])]
    pub(crate) scenarios: Vec<Scenario>,
    /// How Holdfast is put together.
    #[arg(long = "system", value_enum, default_values_t = [Composition::Standalone], conflicts_with_all = ["quick", "full"])]
    pub(crate) systems: Vec<Composition>,
    /// A smoke run: every scenario and every composition once, for two seconds each.
    #[arg(long, conflicts_with = "full")]
    pub(crate) quick: bool,
    /// The run that fills the table of targets, in under 20 minutes.
    #[arg(long)]
    pub(crate) full: bool,
    /// How many clients ask at once.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) clients: u32,
    /// So many checkouts a second arrive, whatever the system does (open loop), up to as many at once as there
    /// are clients; their time counts from when they were to arrive. Without it, each client asks again as
    /// soon as it has its answer (closed loop). Uniform, hot and refusals alone heed it.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000), conflicts_with_all = ["quick", "full"])]
    pub(crate) rate: Option<u32>,
    /// How long each run lasts, in seconds: 10 unless told, 2 with --quick, 8 with --full. It ends earlier when
    /// the orders are used up.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) seconds: Option<u64>,
    /// How many fresh orders each run has: 100,000 unless told, fewer with --quick and --full. A flash sale has
    /// 10,000 in any case.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=5_000_000))]
    pub(crate) orders: Option<u32>,
    /// How often each scenario is run; the scenarios take turns. Once unless told, 5 times with --full.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: Option<u32>,
    /// How soon a change is on disk. --quick and --full measure both.
    #[arg(long, default_value = "everysec", value_parser = ["everysec", "always"])]
    pub(crate) fsync: String,
    /// Another system that is running, to be measured in turn: a gateway, for example. Not with a flash sale or an
    /// overload, which need a system of their own.
    #[arg(long, conflicts_with_all = ["quick", "full"])]
    pub(crate) also_at: Option<SocketAddr>,
    /// Order services of that other system, to be measured in turn as well, past its gateway.
    #[arg(long, requires = "also_at", value_delimiter = ',')]
    pub(crate) also_checkout_at: Vec<SocketAddr>,
    /// Where the figures go, as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
    /// Where the report goes, as one HTML file with everything in it.
    #[arg(long)]
    pub(crate) html: Option<PathBuf>,
    /// The folder of the programs under test, and of the auditor.
    #[arg(long, default_value = "target/release")]
    pub(crate) programs: PathBuf,
}

/// What takes too long to be a scenario among others.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Whole purchases at a fixed rate for a long time, and whether anything keeps growing meanwhile.
    ///
    /// Samples the memory of standalone and of each of its redis-servers, separates the first five minutes from what came
    /// after them, and ends with 1 if a process grew by more than its bound, or if the audit finds
    /// something.
    Soak(SoakOptions),
}

/// What a soak's command line says.
#[derive(Debug, Args)]
pub(crate) struct SoakOptions {
    /// How long.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_080))]
    pub(crate) minutes: u32,
    /// So many orders a second are created, filled with two lines and checked out (open loop). Unless told, half of
    /// what a closed loop reaches in the ten seconds before.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) rate: Option<u32>,
    /// How many clients buy at once at most.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) clients: u32,
    /// How soon a change is on disk.
    #[arg(long, default_value = "everysec", value_parser = ["everysec", "always"])]
    pub(crate) fsync: String,
    /// A setting of standalone that is not its default: NAME=VALUE. May be given many times.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    pub(crate) settings: Vec<(String, String)>,
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("not of the form NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
