//! The stock service as a process of its own.

use clap::Parser;
use shared::{config::ServiceConfig, http::public_routes, service::serve, shutdown, telemetry::Telemetry};
use stock::{Stock, api, internal};

/// Holdfast's stock service: items, their pieces, and what sagas hold of them.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    #[command(flatten)]
    service: ServiceConfig,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Options::parse().service;
    let telemetry = Telemetry::start(&config.telemetry)?;
    let stop = shutdown::on_signal()?;
    let (stock, lanes) = Stock::start(&config).await?;
    let public = public_routes(api::service(stock.clone()), vec![stock.store().clone()], telemetry);
    let internal = internal::routes(&stock);
    drop(stock);
    serve(&config, public, internal, stop).await?;
    lanes.finished().await;
    Ok(())
}
