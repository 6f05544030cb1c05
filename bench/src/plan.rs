//! Which runs are made, in which order.

use std::{net::SocketAddr, time::Duration};

use crate::{options::Options, scenario::Scenario, system::Composition};

/// How many items and users there are.
const RECORDS: u32 = 100_000;
/// How many a smoke run has.
const QUICK_RECORDS: u32 = 10_000;
/// How many buyers a flash sale has.
const BUYERS: u32 = 10_000;

/// One experiment of the plan.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) scenario: Scenario,
    pub(crate) target: Target,
    /// How soon a change is on disk. A system that runs already has its own.
    pub(crate) fsync: String,
    pub(crate) arrive: Arrive,
    pub(crate) time: Duration,
    pub(crate) orders: u32,
    pub(crate) records: u32,
    /// In how many rounds it takes part.
    pub(crate) rounds: u32,
    /// Whether what Redis keeps after the grace time is measured too.
    pub(crate) after_grace: bool,
}

/// Which system is measured.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// One that is started for the run.
    Own(Composition),
    /// One that runs already.
    Other {
        name: String,
        order: Vec<SocketAddr>,
        origin: SocketAddr,
    },
}

/// When checkouts arrive.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Arrive {
    /// When a client is free.
    Closed,
    /// So many a second.
    At(u32),
    /// At half of what the plan's closed loops of the same scenario and system have reached so far.
    AtHalfOfPeak,
}

/// The cases, and how many rounds they take turns for.
pub(crate) struct Plan {
    pub(crate) cases: Vec<Case>,
    pub(crate) rounds: u32,
}

impl Plan {
    /// What the command line asks for.
    pub(crate) fn of(options: &Options) -> Self {
        if options.quick {
            quick(options)
        } else if options.full {
            full(options)
        } else {
            chosen(options)
        }
    }
}

fn chosen(options: &Options) -> Plan {
    let rounds = options.rounds.unwrap_or(1);
    let mut cases = Vec::new();
    for &scenario in &options.scenarios {
        let case = |target| Case {
            target,
            fsync: options.fsync.clone(),
            arrive: match options.rate {
                Some(rate) if scenario.can_be_paced() => Arrive::At(rate),
                _ => Arrive::Closed,
            },
            rounds,
            ..Case::new(options, scenario, 10, 100_000)
        };
        cases.extend(options.systems.iter().map(|&system| case(Target::Own(system))));
        cases.extend(others(options).into_iter().map(case));
    }
    Plan { cases, rounds }
}

/// The systems that are running already.
fn others(options: &Options) -> Vec<Target> {
    let Some(origin) = options.also_at else {
        return Vec::new();
    };
    let mut others = vec![Target::Other {
        name: origin.to_string(),
        order: vec![origin],
        origin,
    }];
    if !options.also_checkout_at.is_empty() {
        others.push(Target::Other {
            name: "past its gateway".into(),
            order: options.also_checkout_at.clone(),
            origin,
        });
    }
    others
}

fn quick(options: &Options) -> Plan {
    let case = |scenario, orders| Case {
        records: QUICK_RECORDS,
        ..Case::new(options, scenario, 2, orders)
    };
    let cases = vec![
        case(Scenario::Uniform, 10_000).measured_after_grace(),
        case(Scenario::Keyed, 5_000),
        case(Scenario::Uniform, 5_000).always(),
        case(Scenario::Hot, 10_000),
        case(Scenario::Uniform, 5_000).at_half_of_peak(),
        case(Scenario::Events, 5_000).at_half_of_peak(),
        case(Scenario::FlashSale, BUYERS),
        case(Scenario::Refusals, 5_000),
        case(Scenario::Mixed, 4_000),
        case(Scenario::Overload, 12_000),
        case(Scenario::Hot, 4_000).at(Composition::Separate),
        case(Scenario::Hot, 4_000).at(Composition::Replicas),
    ];
    let rounds = options.rounds.unwrap_or(1);
    Plan::with_rounds(cases, rounds)
}

/// What is compared stands side by side.
fn full(options: &Options) -> Plan {
    let rounds = options.rounds.unwrap_or(5);
    let seconds = 8;
    let case = |scenario, orders| Case::new(options, scenario, seconds, orders);
    let few_rounds = |case: Case| Case {
        rounds: rounds.min(2),
        ..case
    };
    // As many orders as a fast machine with 2 cores checks out in the time: preparing more takes longer than that.
    let cases = vec![
        case(Scenario::Hot, 90_000),
        case(Scenario::Uniform, 90_000).measured_after_grace(),
        case(Scenario::Keyed, 90_000),
        case(Scenario::Uniform, 60_000).always(),
        case(Scenario::Uniform, 50_000).at(Composition::Separate),
        case(Scenario::Hot, 50_000).at(Composition::Separate),
        case(Scenario::Hot, 30_000).at(Composition::Replicas),
        case(Scenario::Uniform, 48_000).at_half_of_peak(),
        case(Scenario::Events, 48_000).at_half_of_peak(),
        case(Scenario::FlashSale, BUYERS),
        few_rounds(case(Scenario::Refusals, 60_000)),
        few_rounds(case(Scenario::Mixed, 20_000)),
        // Each of its two parts needs orders of its own, enough to last: what is over is not overloaded.
        few_rounds(Case::new(options, Scenario::Overload, 4, 96_000)),
    ];
    Plan {
        cases: cases
            .into_iter()
            .map(|case| Case {
                rounds: case.rounds.min(rounds),
                ..case
            })
            .collect(),
        rounds,
    }
}

impl Plan {
    fn with_rounds(cases: Vec<Case>, rounds: u32) -> Self {
        let cases = cases.into_iter().map(|case| Case { rounds, ..case }).collect();
        Self { cases, rounds }
    }
}

impl Case {
    /// At a standalone in a closed loop; the command line's numbers go before the usual ones.
    fn new(options: &Options, scenario: Scenario, seconds: u64, orders: u32) -> Self {
        Self {
            scenario,
            target: Target::Own(Composition::Standalone),
            fsync: "everysec".into(),
            arrive: Arrive::Closed,
            time: Duration::from_secs(options.seconds.unwrap_or(seconds)),
            orders: match scenario {
                Scenario::FlashSale => BUYERS,
                _ => options.orders.unwrap_or(orders),
            },
            records: RECORDS,
            rounds: u32::MAX,
            after_grace: false,
        }
    }

    fn always(self) -> Self {
        Self {
            fsync: "always".into(),
            ..self
        }
    }

    fn at(self, composition: Composition) -> Self {
        Self {
            target: Target::Own(composition),
            ..self
        }
    }

    fn at_half_of_peak(self) -> Self {
        Self {
            arrive: Arrive::AtHalfOfPeak,
            ..self
        }
    }

    fn measured_after_grace(self) -> Self {
        Self {
            after_grace: true,
            ..self
        }
    }
}
