//! How the tests look at a model.

use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model};

use super::model::Engine;

/// No counterexample in these tests is longer.
const LONGEST: usize = 40;

/// Explores every reachable state: every promise holds in all of them, and everything that should be met is met.
pub(super) fn holds(engine: Engine) {
    let start = Instant::now();
    let checker = engine.checker().threads(2).spawn_bfs().join();
    assert!(checker.is_done(), "the space was not explored to its end");
    println!(
        "{engine:?}: {} states, {} transitions, {:.1?}",
        checker.unique_state_count(),
        checker.state_count(),
        start.elapsed(),
    );
    checker.assert_properties();
}

/// Finds a shortest run that breaks `promise`, and prints it.
///
/// The depth is raised step by step because the checker goes on for a while after a discovery, and keeps the
/// last.
pub(super) fn breaks(engine: Engine, promise: &'static str) {
    let run = (2..=LONGEST).find_map(|depth| {
        engine
            .checker()
            .target_max_depth(depth)
            .finish_when(HasDiscoveries::AnyOf([promise].into()))
            .spawn_bfs()
            .join()
            .discovery(promise)
    });
    let run = run.expect("a rule is missing, so the promise breaks");
    println!("{engine:?}\nbreaks: {promise}");
    for (state, action) in run.into_vec() {
        let [a, b] = state.lanes.map(|lane| lane.phase);
        let action = action.map_or("the promise is broken".to_owned(), |action| format!("{action:?}"));
        let (record, fences) = (state.redis.record, state.redis.fences);
        println!("  record {record}, fences {fences:?}, lanes {a:?} / {b:?}: {action}");
    }
}
