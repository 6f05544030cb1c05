//! The stock service as a process of its own.

use clap::Parser;
use process::{
    InternalConfig, ServerConfig, ServiceConfig, Telemetry, check_health, finish, public_routes, require, serve,
    shutdown, unless_stopped,
};
use saga::Terms;
use stock::{Stock, api, internal};
use web::AllowedOrigins;

/// Holdfast's stock service: items, their pieces, and what sagas hold of them.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    #[command(flatten)]
    service: ServiceConfig,
    #[command(flatten)]
    internal: InternalConfig,
    #[command(flatten)]
    terms: Terms,
}

/// A request makes many small allocations, which another thread often frees: measured, this allocator gave a
/// fifth more checkouts than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Options {
        service,
        internal,
        terms,
    } = Options::parse();
    if service.check_health {
        return Ok(check_health(service.server.listen).await?);
    }
    require::<Options, _>(service.check());
    require::<Options, _>(terms.check());
    let telemetry = Telemetry::start(&service.telemetry)?;
    let stop = shutdown::on_signal()?;
    service.rehearse_clock_faults();
    let started = Stock::start(&service.store, &service.engine, terms, &stop).await;
    let Some((stock, lanes)) = unless_stopped(started)? else {
        return Ok(());
    };
    let public = public_routes(
        api::service(stock.clone()),
        &[api::ROOT],
        vec![stock.vitals()],
        telemetry,
        service.server.max_calls,
        stop.clone(),
    );
    let internal_routes = internal::routes(&stock);
    drop(stock);
    let ServerConfig {
        listen,
        allow_remote,
        allowed_origins,
        ..
    } = service.server;
    let no_page = AllowedOrigins::programs_only();
    tokio::try_join!(
        serve(listen, allow_remote, public, allowed_origins, stop.clone()),
        serve(internal.internal_listen, allow_remote, internal_routes, no_page, stop),
    )?;
    finish([lanes]).await;
    Ok(())
}
