//! A service in a process of its own, from its options to its end.

use clap::{Args, Command, FromArgMatches, Parser};
use credentials::{refuse_passwords, tls::ServerTls};
use tokio::runtime::Runtime;
use web::AllowedOrigins;

use crate::{
    Bridges, FEED_ROOT, FeedApi, Knowing, Relays, Resources, ServerConfig, Service, ServiceConfig, Telemetry, bounded,
    check_bridge, check_health, finish, open_bus, public_routes, require, serve, shutdown, unless_stopped,
};

#[derive(Parser)]
struct Options<T: Args> {
    #[command(flatten)]
    process: ServiceConfig,
    #[command(flatten)]
    own: T,
}

/// Runs a service until it is told to stop.
///
/// # Errors
/// It cannot start, or its addresses cannot be bound.
pub fn run<S: Service>() -> anyhow::Result<()> {
    let mut command = command::<S>();
    let matches = command.get_matches_mut();
    refuse_passwords(&mut command, &matches);
    let Options { process, own } = Options::from_arg_matches(&matches)?;
    Runtime::new()?.block_on(async {
        if process.check_health {
            return Ok(check_health(process.server.listen, process.server.tls()).await?);
        }
        require(&mut command, process.check());
        require(&mut command, check_bridge(&process.amqp, &process.bus));
        require(&mut command, S::check(&own, &process.server));
        serve_until_stopped::<S>(process, own).await
    })
}

/// The command line of a service.
#[must_use]
pub fn command<S: Service>() -> Command {
    <Options<S::Settings> as clap::CommandFactory>::command()
        .name(S::NAME.as_str())
        .version(env!("CARGO_PKG_VERSION"))
        .about(S::ABOUT)
}

async fn serve_until_stopped<S: Service>(process: ServiceConfig, own: S::Settings) -> anyhow::Result<()> {
    let telemetry = Telemetry::start(&process.telemetry)?;
    let stop = shutdown::on_signal()?;
    #[cfg(feature = "clock-faults")]
    process.rehearse_clock_faults();
    // First what a person has to repair: nothing is begun with a certificate or a password that cannot be used.
    let tls = process.server.tls().map(ServerTls::open).transpose()?;
    let broker = process.amqp.broker()?;
    let bus = open_bus(&process.bus, &process.store)?;
    let engine = bounded(&process.engine, &process.bus);
    let started = Resources::start(S::NAME, &process.store, &engine, &stop).await;
    let Some((mut resources, lanes)) = unless_stopped(started)? else {
        return Ok(());
    };
    let vitals = resources.vitals();
    let mut relays = Relays::default();
    resources.bus = bus;
    let feed = FeedApi::new(resources.bus.as_ref());
    relays.start(&resources, process.bus.bounds);
    let mut bridges = Bridges::new(broker, process.server.listen);
    bridges.start(S::NAME, resources.bus.as_ref());
    let service = S::start(resources, &own)?;
    let mut knowing = Knowing::new();
    let verifier = match service.verifier() {
        Some(verifier) => Some(verifier),
        None => knowing.start(S::NAME, &process.identity)?,
    };
    let background = tokio::spawn(service.background(stop.clone()));
    let ServerConfig {
        listen,
        allow_remote,
        max_calls,
        allowed_origins,
        ..
    } = process.server;
    let public = public_routes(
        service.api(feed),
        &S::catalogue(),
        &[S::ROOTS, &[FEED_ROOT]].concat(),
        vec![vitals],
        telemetry,
        max_calls,
        verifier,
        stop.clone(),
    );
    let internal = service.internal(&own);
    let internal = async {
        let Some((config, routes)) = internal else {
            return anyhow::Ok(());
        };
        let tls = config.tls().map(ServerTls::open).transpose()?;
        let origins = AllowedOrigins::programs_only();
        Ok(serve(config.internal_listen, tls, allow_remote, routes, origins, stop.clone()).await?)
    };
    let public = async { Ok(serve(listen, tls, allow_remote, public, allowed_origins, stop.clone()).await?) };
    tokio::try_join!(public, internal)?;
    service.abandon();
    drop(service);
    background.await?;
    finish([lanes]).await;
    tokio::join!(relays.finish(), bridges.finish(), knowing.finish());
    Ok(())
}
