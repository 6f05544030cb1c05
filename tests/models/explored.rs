//! What the small models share: exploring a whole space, and finding the promise that a missing rule breaks.

use std::{fmt::Debug, hash::Hash};

use stateright::{Checker, HasDiscoveries, Model};

/// Explores a model to its end; every promise holds. Returns how many states there are.
pub(crate) fn holds<M>(model: M) -> usize
where
    M: Model + Send + Sync + 'static,
    M::State: Debug + Hash + PartialEq + Clone + Send + Sync + 'static,
    M::Action: Debug + PartialEq + Clone + Send + Sync,
{
    let checker = model.checker().threads(2).spawn_bfs().join();
    assert!(checker.is_done(), "the space was not explored to its end");
    checker.assert_properties();
    checker.unique_state_count()
}

/// Explores a model without one of its rules until the promise breaks, and prints how.
pub(crate) fn breaks<M>(model: M, promise: &'static str)
where
    M: Model + Debug + Clone + Send + Sync + 'static,
    M::State: Debug + Hash + Clone + PartialEq + Send + Sync + 'static,
    M::Action: Debug + Clone + PartialEq + Send + Sync,
{
    let named = format!("{model:?}");
    let checker = model
        .checker()
        .finish_when(HasDiscoveries::AnyOf([promise].into()))
        .spawn_bfs()
        .join();
    let run = checker.discovery(promise);
    let run = run.expect("a rule is missing, so the promise breaks");
    println!("{named}: {:?}", run.into_actions());
}
