//! The README's commands. `cargo xtask` runs them.

mod audit;
mod bench;
mod compose_test;
mod faults;
mod fuzz;
mod install;
mod rabbitmq;
mod redis;
mod run;
mod test;
mod up;

use clap::{Parser, Subcommand};

/// Sets Holdfast up, runs it and tests it.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install what is missing, build, and start all of Holdfast on port 8000.
    Up {
        /// Options of standalone; `cargo xtask up -- --help` lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
    /// Prove that the running standalone is consistent, or name every record that is off.
    Audit {
        /// Options of `holdfast audit`; `cargo xtask audit -- --help` lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
    /// See what happens in the running standalone, how far its consumers are, and what they could not handle.
    Events {
        /// A command of `holdfast events` and its options: tail, groups, dead, replay.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
    /// Install what is missing, and run the whole test suite.
    Test {
        /// What the test runner gets besides: a filter, for example.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
    /// Build and start the system of docker-compose.yml, break it under load, and check every promise.
    ComposeTest {
        /// Put the programs of the development build into the image, in place of building them in there.
        #[arg(long)]
        prebuilt: bool,
    },
    /// Install what the checks need besides cargo: redis-server, rabbitmq-server, Python packages, base images.
    Prepare,
    /// Break the services in every way that is known, under load, and check every promise.
    Faults {
        /// Options of the fault runner; `cargo xtask faults -- --help` lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
    /// Fuzz every service by its OpenAPI document, and let clients make a purchase from it alone.
    Fuzz,
    /// Install what is missing, build, and measure how fast checkouts are.
    Bench {
        /// Measure the development build: a smoke test, whose figures mean nothing.
        #[arg(long)]
        dev: bool,
        /// Options of the load generator; `cargo xtask bench -- --help` lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
}

fn main() -> anyhow::Result<()> {
    match Options::parse().command {
        Command::Up { options } => up::up(&options),
        Command::Audit { options } => audit::audit(&options),
        Command::Events { options } => audit::events(&options),
        Command::Test { options } => test::test(&options),
        Command::ComposeTest { prebuilt } => compose_test::compose_test(prebuilt),
        Command::Prepare => prepare(),
        Command::Faults { options } => faults::faults(&options),
        Command::Fuzz => fuzz::fuzz(),
        Command::Bench { dev, options } => bench::bench(dev, &options),
    }
}

/// Installs what the checks need besides cargo, so that it is there before the first of them asks.
fn prepare() -> anyhow::Result<()> {
    redis::ensure_redis()?;
    rabbitmq::ensure_rabbitmq()?;
    fuzz::ensure_python()?;
    compose_test::ensure_images()?;
    Ok(())
}
