//! `holdfast events`: what an operator may see of the bus, and do to it.

mod dead;
mod groups;
mod table;
mod tail;

use std::path::PathBuf;

use anyhow::Context;
use bus::{Bus, feed::Position};
use clap::{Args, Subcommand};
use engine::store::{RedisAccess, RedisUrl, StoreConfig};

use self::{dead::DeadCommand, tail::TailOptions};

/// Where the bus is.
#[derive(Debug, Args)]
pub(crate) struct BusAddress {
    /// The data folder of a standalone.
    #[arg(long, global = true, conflicts_with = "bus_redis")]
    data: Option<PathBuf>,
    /// The bus.
    #[arg(
        long,
        env = "BUS_URL",
        hide_env_values = true,
        global = true,
        default_value = "redis://127.0.0.1:6379",
        hide_default_value = true
    )]
    bus_redis: RedisUrl,
    /// How it lets us in.
    #[command(flatten)]
    access: RedisAccess,
}

impl BusAddress {
    fn open(&self) -> anyhow::Result<Bus> {
        let url = match &self.data {
            Some(data) => format!("redis+unix://{}", data.join("bus/redis.sock").display()).into(),
            None => self.bus_redis.clone(),
        };
        let bus = Bus::open(&StoreConfig {
            access: self.access.for_url(&url),
            redis_url: url.clone(),
            ..StoreConfig::at("")
        });
        bus.with_context(|| format!("the bus at {url}"))
    }
}

/// What to do with events.
#[derive(Debug, Args)]
pub(crate) struct EventsOptions {
    #[command(flatten)]
    bus: BusAddress,
    #[command(subcommand)]
    command: EventsCommand,
}

#[derive(Debug, Subcommand)]
enum EventsCommand {
    /// Print events as they come.
    Tail(TailOptions),
    /// Show how far each group is.
    Groups {
        /// Print one JSON document instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Look at what groups could not handle, and decide what becomes of it.
    #[command(subcommand)]
    Dead(DeadCommand),
    /// Let a group handle everything again that came since a time.
    Replay {
        /// The group.
        #[arg(long)]
        group: String,
        /// Since when: 2026-11-28T16:00:00Z.
        #[arg(long)]
        from: Position,
    },
}

/// Does what was asked for.
pub(crate) async fn run(options: EventsOptions) -> anyhow::Result<()> {
    let bus = options.bus.open()?;
    match options.command {
        EventsCommand::Tail(options) => tail::tail(bus, options).await,
        EventsCommand::Groups { json } => groups::show(&bus, json).await,
        EventsCommand::Dead(command) => dead::run(&bus, command).await,
        EventsCommand::Replay { group, from } => groups::replay(&bus, &group, from).await,
    }
}
