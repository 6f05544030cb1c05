//! The order service as a process of its own.

use std::sync::Arc;

use clap::Parser;
use order::{
    Orders, api,
    config::SagaConfig,
    participants::{HttpPayment, HttpStock, Participants},
};
use process::{
    ServerConfig, ServiceConfig, Telemetry, check_health, finish, public_routes, require, serve, shutdown,
    unless_stopped,
};
use saga::client::Replicas;

/// Holdfast's order service: orders, and the checkout that settles them.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    #[command(flatten)]
    service: ServiceConfig,
    #[command(flatten)]
    saga: SagaConfig,
    /// Stock's internal base URLs, separated by commas. A name stands for all addresses that it has, and is followed.
    #[arg(long, env = "STOCK_URLS", default_value = "http://127.0.0.1:9001")]
    stock_urls: Replicas,
    /// Payment's internal base URLs, separated by commas, likewise.
    #[arg(long, env = "PAYMENT_URLS", default_value = "http://127.0.0.1:9002")]
    payment_urls: Replicas,
}

/// A request makes many small allocations, which another thread often frees: measured, this allocator gave a
/// fifth more checkouts than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if options.service.check_health {
        return Ok(check_health(options.service.server.listen).await?);
    }
    require::<Options, _>(options.service.check());
    require::<Options, _>(options.saga.check());
    require::<Options, _>(options.saga.check_room(options.service.server.max_calls));
    let telemetry = Telemetry::start(&options.service.telemetry)?;
    let stop = shutdown::on_signal()?;
    options.service.rehearse_clock_faults();
    let participants = Participants {
        stock: Arc::new(HttpStock::new(
            &options.stock_urls,
            options.saga.call_timeout(),
            options.saga.terms,
        )?),
        payment: Arc::new(HttpPayment::new(
            &options.payment_urls,
            options.saga.call_timeout(),
            options.saga.terms,
        )?),
    };
    let started = Orders::start(
        &options.service.store,
        &options.service.engine,
        options.saga,
        participants,
        &stop,
    )
    .await;
    let Some((orders, lanes)) = unless_stopped(started)? else {
        return Ok(());
    };
    let recovery = tokio::spawn(orders.recovery().run(stop.clone()));
    let public = public_routes(
        api::service(orders.clone()),
        &[api::ROOT],
        vec![orders.vitals()],
        telemetry,
        options.service.server.max_calls,
        stop.clone(),
    );
    let drivers = orders.drivers();
    drop(orders);
    let ServerConfig {
        listen,
        allow_remote,
        allowed_origins,
        ..
    } = options.service.server;
    serve(listen, allow_remote, public, allowed_origins, stop).await?;
    // Whom clients have waited for has had the server's patience. What is left is taken over.
    drivers.abandon();
    recovery.await?;
    finish([lanes]).await;
    Ok(())
}
