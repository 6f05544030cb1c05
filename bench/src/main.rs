//! The load generator: how fast is a checkout, and what does it cost?
//!
//! Each run gets a system of its own on fresh data, and checks out only orders that nobody has checked
//! out before: a repeated checkout of a paid order is answered without any work.

mod connection;
mod load;
mod report;
mod scenario;
mod system;

use std::{fs, net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::Context;
use clap::Parser;

use self::{
    load::Pace,
    report::Run,
    scenario::Scenario,
    system::{Addresses, Composition, Programs, System},
};

/// Measures checkouts, with everything (services, Redis, load) on this machine.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", version)]
struct Options {
    /// What to run.
    #[arg(value_enum, default_values_t = [Scenario::Uniform, Scenario::Hot])]
    scenarios: Vec<Scenario>,
    /// How Holdfast is put together.
    #[arg(long = "system", value_enum, default_values_t = [Composition::Standalone])]
    systems: Vec<Composition>,
    /// How many clients ask at once.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    clients: u32,
    /// So many checkouts a second arrive, whatever the system does (open loop), up to as many at once as there
    /// are clients; their time counts from when they were to arrive. Without it, each client asks again as
    /// soon as it has its answer (closed loop).
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: Option<u32>,
    /// How long each run lasts, in seconds. It ends earlier when the orders are used up.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// How many fresh orders each run has.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=5_000_000))]
    orders: u32,
    /// How often each scenario is run; the scenarios take turns.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// How soon a change is on disk.
    #[arg(long, default_value = "everysec", value_parser = ["everysec", "always"])]
    fsync: String,
    /// Another system that is running, to be measured in turn: a gateway, for example.
    #[arg(long)]
    also_at: Option<SocketAddr>,
    /// Order services of that other system, to be measured in turn as well, past its gateway.
    #[arg(long, requires = "also_at", value_delimiter = ',')]
    also_checkout_at: Vec<SocketAddr>,
    /// Where the figures go, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// The folder of the programs under test.
    #[arg(long, default_value = "target/release")]
    programs: PathBuf,
}

/// One thread: on a small machine, a second one would take its share from what is measured.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let mut runs = Vec::new();
    for _ in 0..options.rounds {
        for &scenario in &options.scenarios {
            for &composition in &options.systems {
                runs.push(run_own(&options, scenario, composition).await?);
            }
            for (name, addresses) in others(&options) {
                runs.push(run(&options, scenario, name, &addresses, None).await?);
            }
        }
    }
    println!("{}", report::table(&runs));
    if let Some(path) = &options.json {
        let json = serde_json::to_string_pretty(&runs)?;
        fs::write(path, json).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(())
}

/// The systems that are running already.
fn others(options: &Options) -> Vec<(String, Addresses)> {
    let mut others = Vec::new();
    if let Some(origin) = options.also_at {
        others.push((origin.to_string(), Addresses::one(origin)));
        if !options.also_checkout_at.is_empty() {
            let direct = Addresses {
                order: options.also_checkout_at.clone(),
                ..Addresses::one(origin)
            };
            others.push(("past its gateway".into(), direct));
        }
    }
    others
}

async fn run_own(options: &Options, scenario: Scenario, composition: Composition) -> anyhow::Result<Run> {
    let programs = Programs {
        folder: options.programs.clone(),
        fsync: options.fsync.clone(),
    };
    let system = System::start(composition, &programs).await?;
    run(
        options,
        scenario,
        composition.to_string(),
        &system.addresses,
        Some(&system),
    )
    .await
}

/// The processor time is known where `system` is this program's own.
async fn run(
    options: &Options,
    scenario: Scenario,
    name: String,
    addresses: &Addresses,
    system: Option<&System>,
) -> anyhow::Result<Run> {
    eprintln!("{scenario} at {name}: preparing {} orders", options.orders);
    let orders = scenario.prepare(addresses, options.orders).await?;
    eprintln!("{scenario} at {name}: checking out");
    let before = system.map(System::processor_time).transpose()?;
    let time = Duration::from_secs(options.seconds);
    let pace = options.rate.map_or(Pace::Closed, |rate| Pace::Open { rate });
    let seen = load::check_out(&addresses.order, options.clients, pace, time, &orders).await?;
    let after = system.map(System::processor_time).transpose()?;
    let used = before.zip(after).map(|(before, after)| after.since(before));
    Ok(Run::new(scenario, name, options.clients, options.rate, &seen, used))
}
