//! All of Holdfast in one process on one port, with redis-servers of its own: the embedded default.

mod embedded;
mod redis;

use std::{path::PathBuf, sync::Arc, time::Duration};

use clap::Parser;
use engine::{EngineConfig, store::StoreConfig};
use order::{Orders, api::OrderApi, config::SagaConfig, participants::Participants};
use payment::{Payment, api::PaymentApi};
use poem::{Route, endpoint::make_sync, web::Html};
use poem_openapi::OpenApiService;
use process::{
    Bound, ServerConfig, Telemetry, TelemetryConfig, Trouble, Vitals, check_times, finish, public_routes, require,
    shutdown, unless_stopped,
};
use stock::{Stock, api::StockApi};
use tokio_util::sync::CancellationToken;

use self::{
    embedded::{EmbeddedPayment, EmbeddedStock},
    redis::{Fsync, RedisServers},
};

/// How long the services may take to finish what they have begun before their stores are ended. What they leave is
/// finished at the next start.
const FINISH_PATIENCE: Duration = Duration::from_secs(6);

/// Holdfast in one process: order, stock and payment on one port, with redis-servers of its own.
#[derive(Debug, Parser)]
#[command(name = "standalone", version)]
struct Options {
    #[command(flatten)]
    server: ServerConfig,
    /// Where the data is kept.
    #[arg(long, env = "DATA", default_value = "data", value_parser = readable_path)]
    data: PathBuf,
    /// How soon a change is on disk.
    #[arg(long, env = "FSYNC", value_enum, default_value_t = Fsync::Always)]
    fsync: Fsync,
    /// The redis-server program.
    #[arg(long, env = "REDIS_SERVER", default_value = "redis-server")]
    redis_server: PathBuf,
    #[command(flatten)]
    engine: EngineConfig,
    #[command(flatten)]
    saga: SagaConfig,
    #[command(flatten)]
    telemetry: TelemetryConfig,
}

/// A path as it stands in a Redis URL, a redis-server's settings and the log: in UTF-8, for anything else would name
/// another place there.
#[expect(clippy::unnecessary_wraps, reason = "clap takes a parser that may refuse")]
fn readable_path(text: &str) -> Result<PathBuf, std::convert::Infallible> {
    Ok(text.into())
}

/// A request makes many small allocations, which another thread often frees: measured, this allocator gave a
/// fifth more checkouts than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    require::<Options, _>(options.saga.check());
    require::<Options, _>(options.saga.check_room(options.server.max_calls));
    require::<Options, _>(check_times(&StoreConfig::at(""), &options.engine));
    let telemetry = Telemetry::start(&options.telemetry)?;
    let stop = shutdown::on_signal()?;
    // Bound first: an address that cannot be had is found out before anything is started.
    let socket = Bound::bind(options.server.listen, options.server.allow_remote)?;
    redis::ensure_installed(&options.redis_server)?;
    let _lock = redis::lock(&options.data)?;
    let data = options.data.canonicalize()?;
    let starting = RedisServers::start(&options.redis_server, &data, options.fsync);
    let Some(servers) = stop.run_until_cancelled(starting).await else {
        return Ok(());
    };
    let mut servers = servers?;
    let served = match stop.run_until_cancelled(servers.loaded()).await {
        Some(Ok(())) => serve(&options, &mut servers, telemetry, socket, &stop).await,
        Some(Err(error)) => Err(error),
        None => Ok(()),
    };
    servers.stop().await;
    served
}

/// Runs the services on their redis-servers until `stop`.
async fn serve(
    options: &Options,
    servers: &mut RedisServers,
    telemetry: Telemetry,
    socket: Bound,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let trouble = Trouble::default();
    tokio::select! {
        served = run(options, servers.urls(), telemetry, socket, &trouble, stop.clone()) => served,
        () = servers.supervise(&trouble) => Ok(()),
        () = overdue(stop) => {
            tracing::warn!("what has begun is not finished within {FINISH_PATIENCE:?}; the next start finishes it");
            Ok(())
        }
    }
}

/// Until the services have had their time to finish.
async fn overdue(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(FINISH_PATIENCE).await;
}

/// Runs the three services until `stop`, and lets them finish what they have begun.
async fn run(
    options: &Options,
    [order_url, stock_url, payment_url]: [String; 3],
    telemetry: Telemetry,
    socket: Bound,
    trouble: &Trouble,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let terms = options.saga.terms;
    let started = Stock::start(&StoreConfig::at(stock_url), &options.engine, terms, &stop).await;
    let Some((stock, stock_lanes)) = unless_stopped(started)? else {
        return Ok(());
    };
    let started = Payment::start(&StoreConfig::at(payment_url), &options.engine, terms, &stop).await;
    let Some((payment, payment_lanes)) = unless_stopped(started)? else {
        return Ok(());
    };
    let participants = Participants {
        stock: Arc::new(EmbeddedStock {
            stock: stock.clone(),
            timeout: options.saga.call_timeout(),
        }),
        payment: Arc::new(EmbeddedPayment {
            payment: payment.clone(),
            timeout: options.saga.call_timeout(),
        }),
    };
    let order_store = StoreConfig::at(order_url);
    let started = Orders::start(&order_store, &options.engine, options.saga.clone(), participants, &stop).await;
    let Some((orders, order_lanes)) = unless_stopped(started)? else {
        return Ok(());
    };
    let recovery = tokio::spawn(orders.recovery().run(stop.clone()));
    let drivers = orders.drivers();
    let most_calls = options.server.max_calls;
    let routes = routes(orders, stock, payment, telemetry, trouble, most_calls, stop.clone());
    announce(&socket, options);
    socket.serve(routes, options.server.allowed_origins.clone(), stop).await;
    // Whom clients have waited for has had the server's patience. What is left is taken over at the next start.
    drivers.abandon();
    recovery.await?;
    finish([order_lanes, stock_lanes, payment_lanes]).await;
    Ok(())
}

fn routes(
    orders: Arc<Orders>,
    stock: Stock,
    payment: Payment,
    telemetry: Telemetry,
    trouble: &Trouble,
    most_calls: u32,
    stop: CancellationToken,
) -> Route {
    let vitals = [orders.vitals(), stock.vitals(), payment.vitals()].map(|vitals| Vitals {
        trouble: trouble.clone(),
        ..vitals
    });
    let roots = [order::api::ROOT, stock::api::ROOT, payment::api::ROOT];
    let apis = (OrderApi::new(orders), StockApi::new(stock), PaymentApi::new(payment));
    let api = OpenApiService::new(apis, "Holdfast", env!("CARGO_PKG_VERSION"))
        .description("Stock, credit and orders, and the checkout that settles them.");
    public_routes(api, &roots, vitals.into(), telemetry, most_calls, stop)
        .at("/", make_sync(|_| Html(include_str!("landing.html"))))
}

/// Tells whoever started it where to look.
fn announce(socket: &Bound, options: &Options) {
    let origin = format!("http://{}", socket.address());
    println!("Holdfast is ready.");
    println!("  start here   {origin}/");
    println!("  try calls    {origin}/docs");
    println!("  metrics      {origin}/metrics");
    println!("  data         {}", options.data.display());
    println!("Ctrl-C stops it; nothing is lost.");
}
