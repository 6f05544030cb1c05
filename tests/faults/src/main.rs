//! The fault runner: a seeded schedule of faults, clients who buy meanwhile, and what must hold afterwards.
//!
//! ```text
//! clients ──wire──> order x 2 ──wire──> stock x 2, payment x 2
//!    └───────────wire───────────────────────┘        │
//!                  each replica ──wire──> its service's redis-server
//! ```
//!
//! A wire is a proxy that can be put in trouble. A schedule is a pure function of its seed; how the processes
//! interleave is not, so a seed that has failed is worth running often.

mod bounds;
mod check;
mod fault;
mod history;
mod keys;
mod load;
mod run;
mod sampler;
mod schedule;
mod suffer;
mod system;
mod times;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use clap::Parser;
use harness::stop::{self, Stopped};

use self::{run::Outcome, schedule::Schedule};

/// Seeds that once broke a promise. They are always run.
const KEPT_SEEDS: &str = include_str!("../kept-seeds.txt");

/// Break Holdfast in every way that is known, under load, and check every promise.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask faults --")]
struct Options {
    /// How many schedules to run, besides those that once failed.
    #[arg(long, default_value_t = 10)]
    schedules: u64,
    /// The first schedule's seed; the next ones count on from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long faults happen in each schedule, in seconds.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// How many schedules run side by side.
    #[arg(long, default_value_t = 2)]
    parallel: usize,
    /// Print each schedule's faults, and run nothing.
    #[arg(long)]
    dry_run: bool,
    /// Where to keep what is known of a schedule that broke a promise.
    #[arg(long, default_value = "target/faults")]
    keep: PathBuf,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let length = Duration::from_secs(options.seconds);
    let kept = KEPT_SEEDS.split_whitespace().filter_map(|seed| seed.parse().ok());
    let seeds: Vec<u64> = kept.chain(options.seed..options.seed + options.schedules).collect();
    if options.dry_run {
        print_schedules(&seeds, length);
        return ExitCode::SUCCESS;
    }
    let started = Instant::now();
    let stopped = stop::on_a_signal();
    let total = Mutex::new(Outcome::default());
    let count = seeds.len();
    let waiting = Mutex::new(seeds.into_iter());
    thread::scope(|scope| {
        for _ in 0..options.parallel {
            scope.spawn(|| {
                loop {
                    let Some(seed) = waiting.lock().expect("no holder panics").next() else {
                        return;
                    };
                    let Some(outcome) = run(seed, length, &options.keep.join(seed.to_string()), stopped.clone()) else {
                        return;
                    };
                    report(seed, &outcome);
                    add(&mut total.lock().expect("no holder panics"), outcome);
                }
            });
        }
    });
    if *stopped.borrow() {
        println!("stopped by a signal; everything that was started has ended");
        return ExitCode::FAILURE;
    }
    conclude(
        count,
        started.elapsed(),
        &total.into_inner().expect("no holder panics"),
        &options,
    )
}

fn conclude(count: usize, took: Duration, total: &Outcome, options: &Options) -> ExitCode {
    println!(
        "{count} schedules of {} s in {took:.0?}: {} faults, {} calls, {} checkouts, {} orders paid, \
         slowest answer {:.1?}, oldest saga {:.1?}, {} inconsistencies",
        options.seconds,
        total.faults,
        total.calls,
        total.checkouts,
        total.paid,
        total.slowest,
        total.oldest,
        total.violations.len()
    );
    if total.violations.is_empty() {
        ExitCode::SUCCESS
    } else {
        println!("what is known of them is in {}", options.keep.display());
        ExitCode::FAILURE
    }
}

/// Runs one schedule on a runtime of its own, which ends all that the schedule has started. None if it was stopped.
fn run(seed: u64, length: Duration, folder: &Path, stopped: Stopped) -> Option<Outcome> {
    let ran = thread::scope(|scope| {
        let schedule = || {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            runtime.block_on(stop::unless(stopped, run::run(seed, length, folder)))
        };
        scope.spawn(schedule).join()
    });
    ran.unwrap_or_else(|_| {
        Some(Outcome {
            violations: vec!["the run itself broke; what it said is above".into()],
            ..Outcome::default()
        })
    })
}

fn print_schedules(seeds: &[u64], length: Duration) {
    for seed in seeds {
        println!("seed {seed}");
        for event in Schedule::of(*seed, length).events {
            println!("  {:>6.2?} for {:>6.2?}  {:?}", event.at, event.stays, event.fault);
        }
    }
}

fn report(seed: u64, outcome: &Outcome) {
    let Outcome {
        faults,
        calls,
        checkouts,
        paid,
        slowest,
        oldest,
        violations,
    } = outcome;
    println!(
        "seed {seed:>5}: {faults:>3} faults, {calls:>6} calls, {checkouts:>5} checkouts, {paid:>5} paid, \
         slowest answer {slowest:.1?}, oldest saga {oldest:.1?}, {} inconsistencies",
        violations.len()
    );
    for violation in violations {
        println!("  {violation}");
    }
}

fn add(total: &mut Outcome, outcome: Outcome) {
    total.faults += outcome.faults;
    total.calls += outcome.calls;
    total.checkouts += outcome.checkouts;
    total.paid += outcome.paid;
    total.slowest = total.slowest.max(outcome.slowest);
    total.oldest = total.oldest.max(outcome.oldest);
    total.violations.extend(outcome.violations);
}
