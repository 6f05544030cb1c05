//! Makes the planned runs: each on a system of its own, on fresh data.

use std::time::Duration;

use anyhow::{Context, bail, ensure};

use crate::{
    audit::audit,
    gauges::Gauges,
    listening::Listening,
    load::{self, Load, LoadResult, Pace},
    mixed::mixed,
    numbers::{float, milliseconds},
    overload::{CHECKOUTS_SETTING, LIMIT, LIMIT_SETTING, overload},
    plan::{Arrive, Case, Plan, Target},
    process::Usage,
    redis::forget_sagas,
    run::{Details, Experiment, Latency, Run},
    scenario::Scenario,
    shop::{PIECES_ON_SALE, Shop},
    summary::Spread,
    system::{Addresses, Settings, System},
};

/// How many connections the buyers of a flash sale share.
const SALE_CONNECTIONS: u32 = 1_000;
/// The runs, one after another.
pub(crate) struct Measurement {
    pub(crate) clients: u32,
    pub(crate) runs: Vec<Run>,
}

/// A system of this program's own, and what its processes had used when they were ready.
struct OwnSystem {
    system: System,
    idle: Vec<Usage>,
}

impl Measurement {
    /// Makes all runs. Those that were made stay if a later one fails.
    ///
    /// # Errors
    /// If a run fails, or its audit does.
    pub(crate) async fn make(&mut self, plan: &Plan) -> anyhow::Result<()> {
        for round in 1..=plan.rounds {
            for case in plan.cases.iter().filter(|case| round <= case.rounds) {
                let experiment = case.experiment();
                let made = self.run(case, &experiment, round).await;
                let run = made.with_context(|| format!("{experiment}, round {round}"))?;
                eprintln!(
                    "{experiment}: {:.0} {}/s, p99 {:.1} ms",
                    run.checkouts_per_second,
                    case.scenario.counted(),
                    run.latency_ms.p99
                );
                self.runs.push(run);
            }
        }
        Ok(())
    }

    async fn run(&self, case: &Case, experiment: &Experiment, round: u32) -> anyhow::Result<Run> {
        eprintln!("{experiment}, round {round}: preparing {} orders", case.orders);
        let (own, addresses) = self.system(case).await?;
        let listening = match (&own, case.scenario) {
            (Some(own), Scenario::Events) => Some(Listening::start(&own.system.bus)),
            (None, Scenario::Events) => bail!("nobody knows the bus of a system that runs already"),
            _ => None,
        };
        let shop = Shop::open(case.scenario, &addresses, case.records, case.orders).await?;
        if let Some(listening) = &listening {
            listening.is_even().await?;
        }
        let rate = self.rate(case, experiment)?;
        let load = Load {
            scenario: case.scenario,
            clients: self.clients,
            pace: rate.map_or(Pace::Closed, |rate| Pace::Open { rate }),
            time: case.time,
        };
        let peak = match case.scenario {
            Scenario::Overload => Some(self.peak(load, &addresses, &shop).await?),
            _ => None,
        };
        let before = match &own {
            Some(own) => Some(Gauges::read(&own.system).await?),
            None => None,
        };
        let (seen, details) = play(load, &addresses, &shop, peak.as_ref()).await?;
        let clients = match case.scenario {
            Scenario::FlashSale => SALE_CONNECTIONS,
            Scenario::Overload => 10 * LIMIT,
            _ => self.clients,
        };
        let mut run = Run::new(experiment.clone(), round, clients, rate, &seen);
        run.details = details;
        if let Some(listening) = listening {
            run.details = listening.finish(run.paid).await?;
        }
        if let (Some(own), Some(before)) = (own, before) {
            let after = Gauges::read(&own.system).await?;
            run.costs = Some(after.since(&before, &own.idle, run.checkouts));
            let paid = run.paid + peak.map_or(0, |peak| peak.paid);
            run.audit = Some(audit(&own.system, paid).await?);
            if case.after_grace {
                let forgotten = after_grace(&own.system).await?;
                run.stored_bytes_after_grace = Some(forgotten.stored_since(&before, run.checkouts));
            }
        }
        Ok(run)
    }

    async fn system(&self, case: &Case) -> anyhow::Result<(Option<OwnSystem>, Addresses)> {
        match &case.target {
            Target::Own(composition) => {
                let mut variables = Vec::new();
                if case.scenario == Scenario::Overload {
                    variables.push((LIMIT_SETTING.to_owned(), LIMIT.to_string()));
                    variables.push((CHECKOUTS_SETTING.to_owned(), (LIMIT - 1).to_string()));
                }
                let settings = Settings {
                    fsync: case.fsync.clone(),
                    variables,
                };
                let system = System::start(*composition, &settings).await;
                let idle = system.usage().await?;
                let addresses = system.addresses.clone();
                Ok((Some(OwnSystem { system, idle }), addresses))
            }
            Target::Other { order, origin, .. } => {
                let addresses = Addresses {
                    order: order.clone(),
                    ..Addresses::one(*origin)
                };
                Ok((None, addresses))
            }
        }
    }

    /// The rate of an open loop.
    fn rate(&self, case: &Case, experiment: &Experiment) -> anyhow::Result<Option<u32>> {
        match case.arrive {
            Arrive::Closed => Ok(None),
            Arrive::At(rate) => Ok(Some(rate)),
            Arrive::AtHalfOfPeak => {
                let closed = Experiment {
                    open_loop: false,
                    // What consumers beside it take is no part of the peak.
                    scenario: match experiment.scenario {
                        Scenario::Events => Scenario::Uniform,
                        scenario => scenario,
                    },
                    ..experiment.clone()
                };
                let peaks = self.runs.iter().filter(|run| run.experiment == closed);
                let peaks = Spread::of(peaks.map(|run| run.checkouts_per_second));
                let peak = peaks.context("no closed loop has measured the peak yet")?.median;
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a rate is positive and far below 2^32"
                )]
                let half = (peak / 2.0).round() as u32;
                Ok(Some(half.max(1)))
            }
        }
    }

    /// A closed loop on half of the orders.
    async fn peak(&self, load: Load, addresses: &Addresses, shop: &Shop) -> anyhow::Result<LoadResult> {
        let rest = {
            let mut orders = shop.orders.borrow_mut();
            let half = orders.len() / 2;
            orders.split_off(half)
        };
        let peak = load::check_out(&addresses.order, load, &shop.orders).await?;
        shop.orders.replace(rest);
        Ok(peak)
    }
}

/// The clients' part of a run.
async fn play(
    load: Load,
    addresses: &Addresses,
    shop: &Shop,
    peak: Option<&LoadResult>,
) -> anyhow::Result<(LoadResult, Details)> {
    match load.scenario {
        Scenario::Uniform | Scenario::Keyed | Scenario::Events | Scenario::Hot | Scenario::Refusals => {
            let seen = load::check_out(&addresses.order, load, &shop.orders).await?;
            Ok((seen, Details::None))
        }
        Scenario::FlashSale => flash_sale(load, addresses, shop).await,
        Scenario::Mixed => {
            let seen = mixed(addresses, load.clients, load.time, shop).await?;
            let details = Details::Mixed {
                calls: seen.calls.len(),
                calls_per_second: float(seen.calls.len()) / seen.checkouts.elapsed.as_secs_f64(),
                calls_ms: Latency::of(&seen.calls),
            };
            Ok((seen.checkouts, details))
        }
        Scenario::Overload => {
            let peak = peak.context("the peak comes first")?;
            let peak_per_second = float(peak.paid) / peak.elapsed.as_secs_f64();
            let seen = overload(&addresses.order, load.time, &shop.orders).await?;
            let details = Details::Overload {
                peak_per_second,
                ratio_to_peak: float(seen.accepted.paid) / seen.accepted.elapsed.as_secs_f64() / peak_per_second,
                refused: seen.refusals.len(),
                slowest_refusal_ms: milliseconds(Duration::from_micros(seen.refusals.max())),
            };
            Ok((seen.accepted, details))
        }
    }
}

async fn flash_sale(load: Load, addresses: &Addresses, shop: &Shop) -> anyhow::Result<(LoadResult, Details)> {
    let rush = Load {
        clients: SALE_CONNECTIONS,
        pace: Pace::AtOnce,
        ..load
    };
    let buyers = shop.orders.borrow().len();
    let seen = load::check_out(&addresses.order, rush, &shop.orders).await?;
    let answered = seen.latencies.len();
    ensure!(
        seen.paid == u64::from(PIECES_ON_SALE) && answered == u64::try_from(buyers)?,
        "of {buyers} buyers of {PIECES_ON_SALE} pieces, {answered} were answered and {} have bought",
        seen.paid
    );
    let details = Details::FlashSale {
        sold_out: answered - seen.paid,
        all_answered_s: seen.elapsed.as_secs_f64(),
    };
    Ok((seen, details))
}

/// Reads the gauges as they are when the time for which finished sagas are remembered is over. Nobody waits that
/// long: what would be forgotten is deleted.
async fn after_grace(system: &System) -> anyhow::Result<Gauges> {
    for store in system.stores.values() {
        forget_sagas(store).await;
    }
    Gauges::read(system).await
}

impl Case {
    fn experiment(&self) -> Experiment {
        let (system, fsync) = match &self.target {
            Target::Own(composition) => (composition.to_string(), Some(self.fsync.clone())),
            Target::Other { name, .. } => (name.clone(), None),
        };
        Experiment {
            scenario: self.scenario,
            system,
            fsync,
            open_loop: !matches!(self.arrive, Arrive::Closed),
        }
    }
}
