//! A process that adds 1 to a counter many times through lanes of its own, for tests of rivalry.

use clap::Parser;
use engine::{
    Engine, EngineConfig, EngineError,
    keys::Partitions,
    store::{Store, StoreConfig},
};
use harness::Increment;
use tokio::task::JoinSet;

/// What to add to, and how often.
#[derive(Parser)]
struct Options {
    /// The Redis that holds the counter.
    #[arg(long)]
    redis_url: String,
    /// How often 1 is added.
    #[arg(long)]
    times: u32,
    /// How many callers add at once.
    #[arg(long, default_value_t = 64)]
    callers: u32,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let partitions = Partitions::new(16)?;
    let store = Store::open(&StoreConfig::at(options.redis_url))?;
    let (engine, lanes) = Engine::start(&store, &partitions, &EngineConfig::default());
    let mut callers = JoinSet::new();
    for _ in 0..options.callers {
        let (engine, partitions) = (engine.clone(), partitions.clone());
        callers.spawn(async move {
            for _ in 0..options.times / options.callers {
                // A conflict that outlasts its bound is the caller's to repeat: nothing was written.
                while let Err(error) = engine.submit(Increment::of("hot", &partitions)).await {
                    anyhow::ensure!(matches!(error, EngineError::Conflict), "{error}");
                }
            }
            Ok(())
        });
    }
    while let Some(finished) = callers.join_next().await {
        finished??;
    }
    drop(engine);
    lanes.finished().await;
    Ok(())
}
