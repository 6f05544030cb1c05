//! The engine's three ways to change a record, side by side: the textbook optimistic loop, a Lua script for each
//! operation, and group commit.
//!
//! In each benchmark 256 callers increment counters as fast as they are answered, either random ones of 100,000
//! or all of them the same one. An iteration of criterion's is one increment for each caller; "elements" are
//! increments. Each benchmark has a redis-server of its own on fresh data. After criterion's samples the callers
//! go on for some seconds without a pause, which shows how long one may have to wait, and in the end it is
//! checked that no increment was lost: a fast way that is off by one is a failed way.
//!
//! `cargo bench --package bench --bench engine` runs all of it in about two minutes; `-- --quick` takes fewer
//! samples, and `-- "one hot key"` measures only what has these words in its name.

mod callers;
mod counters;
mod group_commit;
mod redis;
mod script;
mod summary;
mod textbook;
mod trial;

use std::time::Duration;

use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput, measurement::WallTime};

use self::{
    callers::{CALLERS, Way},
    counters::Counters,
    group_commit::GroupCommit,
    redis::RedisServer,
    script::Script,
    summary::Summary,
    textbook::Textbook,
    trial::Trial,
};

/// How many samples each benchmark takes: the fewest that criterion allows.
const SAMPLES: usize = 10;
const WARM_UP: Duration = Duration::from_millis(300);
/// How long all samples of a benchmark take together. A way that answers fewer than 1,280 increments a second takes
/// longer, since a sample is at least one increment for each caller.
const MEASUREMENT: Duration = Duration::from_secs(2);
/// How often criterion draws from the samples to find its confidence intervals. There are too few samples for more.
const RESAMPLES: usize = 10_000;

/// What all benchmarks of one group have in common.
struct Setting {
    name: String,
    /// How soon a change is on disk, as redis-server calls it.
    fsync: &'static str,
    counters: Counters,
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(SAMPLES)
        .warm_up_time(WARM_UP)
        .measurement_time(MEASUREMENT)
        .nresamples(RESAMPLES)
        .configure_from_args();
    let mut summary = Summary::default();
    for fsync in ["everysec", "always"] {
        for (keys, count) in [("100,000 keys", 100_000), ("one hot key", 1)] {
            let setting = Setting {
                name: format!("{keys}, {fsync}"),
                fsync,
                counters: Counters::new(count),
            };
            compare(&mut criterion, &setting, &mut summary);
        }
    }
    criterion.final_summary();
    println!("{summary}");
}

/// Measures every way in one setting.
fn compare(criterion: &mut Criterion, setting: &Setting, summary: &mut Summary) {
    let mut group = criterion.benchmark_group(&setting.name);
    // Samples of equal length: growing ones would take the slowest way far too long.
    group
        .sampling_mode(SamplingMode::Flat)
        .throughput(Throughput::Elements(CALLERS));
    for connections in [8, 32] {
        let name = format!("textbook loop, {connections} connections");
        measure(&mut group, setting, &name, summary, &async |server: &RedisServer| {
            Textbook::start(server, connections).await
        });
    }
    measure(&mut group, setting, "Lua script", summary, &Script::start);
    for (name, lanes) in [("group commit, 1 lane", 1), ("group commit, 2 lanes", 2)] {
        measure(&mut group, setting, name, summary, &async |server: &RedisServer| {
            GroupCommit::start(server, lanes)
        });
    }
    group.finish();
}

/// Measures one way and checks what it left in Redis, unless criterion was asked to leave it out.
fn measure<W: Way>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    setting: &Setting,
    name: &str,
    summary: &mut Summary,
    start: &impl AsyncFn(&RedisServer) -> anyhow::Result<W>,
) {
    let mut trial = None;
    // criterion calls this for the warm-up and for every sample; the first call starts the server.
    group.bench_function(name, |bencher| {
        let trial = &*trial.get_or_insert_with(|| {
            Trial::start(setting.fsync, &setting.counters, start).expect("a redis-server and a way to it")
        });
        bencher
            .to_async(trial.runtime())
            .iter_custom(|rounds| async move { trial.rounds(rounds).await.expect("answered increments") });
    });
    if let Some(trial) = trial {
        let seen = trial.finish().expect("no increment is lost");
        summary.add(&setting.name, name, seen);
    }
}
