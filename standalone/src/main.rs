//! All of Holdfast in one process on one port, with redis-servers of its own: the embedded default.

mod embedded;
mod redis;

use std::{path::PathBuf, sync::Arc, time::Duration};

use amqp::AmqpConfig;
use bus::{Bus, BusBounds, Catalogue, Topic};
use clap::{CommandFactory, FromArgMatches, Parser};
use credentials::{refuse_passwords, tls::ServerTls};
use engine::{EngineConfig, Lanes, store::StoreConfig};
use identity::Identity;
use order::{Orders, config::SagaConfig, participants::Participants};
use payment::Payment;
use poem::{endpoint::make_sync, web::Html};
use poem_openapi::{OpenApi, OpenApiService};
use process::{
    Bound, Bridges, FEED_ROOT, FeedApi, Relays, Resources, ServerConfig, Service, StartError, Telemetry,
    TelemetryConfig, Trouble, Vitals, check_times, finish, public_routes, require, shutdown, unless_stopped,
};
use stock::Stock;
use tokio_util::sync::CancellationToken;

use self::{
    embedded::{EmbeddedAccounts, EmbeddedPayment, EmbeddedStock},
    redis::{Fsync, RedisServers, RedisUrls},
};

/// How long the services may take to finish what they have begun before their stores are ended. What they leave is
/// finished at the next start.
const FINISH_PATIENCE: Duration = Duration::from_secs(6);

/// Holdfast in one process: order, stock, payment and identity on one port, with redis-servers of its own.
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
    bus: BusBounds,
    #[command(flatten)]
    amqp: AmqpConfig,
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

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut command = Options::command();
    let matches = command.get_matches_mut();
    refuse_passwords(&mut command, &matches);
    let options = Options::from_arg_matches(&matches)?;
    require(&mut command, options.saga.check());
    require(&mut command, options.saga.check_room(options.server.max_calls));
    require(&mut command, check_times(&StoreConfig::at(""), &options.engine));
    let telemetry = Telemetry::start(&options.telemetry)?;
    let stop = shutdown::on_signal()?;
    // Bound first: an address that cannot be had is found out before anything is started.
    let tls = options.server.tls().map(ServerTls::open).transpose()?;
    let socket = Bound::bind(options.server.listen, options.server.allow_remote)?.over_tls(tls);
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
    let (urls, trouble) = (servers.urls(), Trouble::default());
    tokio::select! {
        served = run(options, &urls, telemetry, socket, &trouble, stop.clone()) => served,
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

/// Runs the services until `stop`, and lets them finish what they have begun.
async fn run(
    options: &Options,
    urls: &RedisUrls,
    telemetry: Telemetry,
    socket: Bound,
    trouble: &Trouble,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut house = House::new(options, urls, trouble, &stop)?;
    let started = start_services(&mut house, &options.saga).await;
    let Some((orders, identity, operations)) = unless_stopped(started)? else {
        return Ok(());
    };
    let background = [
        tokio::spawn(orders.background(stop.clone())),
        tokio::spawn(identity.background(stop.clone())),
    ];
    let api = OpenApiService::new(operations, "Holdfast", env!("CARGO_PKG_VERSION"))
        .description("Stock, credit and orders, the checkout that settles them, and who may call.");
    let House {
        roots,
        events,
        vitals,
        lanes,
        relays,
        bridges,
        ..
    } = house;
    let max_calls = options.server.max_calls;
    let routes = public_routes(
        api,
        &events,
        &roots,
        vitals,
        telemetry,
        max_calls,
        identity.verifier(),
        stop.clone(),
    )
    .at(
        "/",
        make_sync(|_| Html(include_str!("../../deploy/gateway/landing.html"))),
    );
    announce(&socket, options);
    socket.serve(routes, options.server.allowed_origins.clone(), stop).await;
    orders.abandon();
    drop((orders, identity));
    for work in background {
        work.await?;
    }
    finish(lanes).await;
    tokio::join!(relays.finish(), bridges.finish());
    Ok(())
}

/// Starts the services. Returns order and identity, which do something beside answering calls, and the operations of all.
async fn start_services(
    house: &mut House<'_>,
    saga: &SagaConfig,
) -> Result<(Orders, Identity, impl OpenApi + use<>), StartError> {
    let timeout = saga.call_timeout.duration();
    let stock = Stock::new(house.resources::<Stock>().await?, saga.terms);
    let payment = Payment::new(house.resources::<Payment>().await?, saga.terms);
    let participants = Participants {
        stock: Arc::new(EmbeddedStock {
            stock: stock.clone(),
            timeout,
        }),
        payment: Arc::new(EmbeddedPayment {
            payment: payment.clone(),
            timeout,
        }),
    };
    let orders = Orders::new(house.resources::<Orders>().await?, saga.clone(), participants);
    let accounts = EmbeddedAccounts {
        payment: payment.clone(),
        timeout,
    };
    let identity = Identity::new(house.resources::<Identity>().await?, Arc::new(accounts));
    let identity = identity.map_err(|error| StartError::Service(error.into()))?;
    house.roots.push(FEED_ROOT);
    let operations = (
        orders.operations(),
        stock.operations(),
        payment.operations(),
        identity.operations(),
        FeedApi::new(Some(&house.bus)),
    );
    Ok((orders, identity, operations))
}

/// What the services of this process stand on, and what it serves for all of them.
struct House<'a> {
    engine: &'a EngineConfig,
    urls: &'a RedisUrls,
    trouble: &'a Trouble,
    stop: &'a CancellationToken,
    roots: Vec<&'static str>,
    events: Catalogue,
    vitals: Vec<Vitals>,
    lanes: Vec<Lanes>,
    bus: Bus,
    bus_bounds: BusBounds,
    relays: Relays,
    bridges: Bridges,
}

impl<'a> House<'a> {
    fn new(
        options: &'a Options,
        urls: &'a RedisUrls,
        trouble: &'a Trouble,
        stop: &'a CancellationToken,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            bus: Bus::open(&StoreConfig::at(urls.bus()))?,
            bus_bounds: options.bus,
            relays: Relays::default(),
            bridges: Bridges::new(options.amqp.broker()?, options.server.listen),
            engine: &options.engine,
            urls,
            trouble,
            stop,
            roots: Vec::new(),
            events: Catalogue::new("Holdfast", env!("CARGO_PKG_VERSION")),
            vitals: Vec::new(),
            lanes: Vec::new(),
        })
    }

    /// The store and the lanes of one more service.
    async fn resources<S: Service>(&mut self) -> Result<Resources, StartError> {
        let store = StoreConfig::at(self.urls.store(S::NAME));
        let (mut resources, lanes) = Resources::start(S::NAME, &store, self.engine, self.stop).await?;
        self.roots.extend(S::ROOTS);
        self.events.add(Topic::of(S::NAME), S::events());
        self.vitals.push(Vitals {
            trouble: self.trouble.clone(),
            ..resources.vitals()
        });
        self.lanes.push(lanes);
        resources.bus = Some(self.bus.clone());
        self.relays.start(&resources, self.bus_bounds);
        self.bridges.start(S::NAME, resources.bus.as_ref());
        Ok(resources)
    }
}

/// Tells whoever started it where to look.
fn announce(socket: &Bound, options: &Options) {
    let origin = format!("{}://{}", socket.scheme(), socket.address());
    println!("Holdfast is ready.");
    println!("  start here   {origin}/");
    println!("  try calls    {origin}/docs");
    println!("  metrics      {origin}/metrics");
    println!("  data         {}", options.data.display());
    println!("Ctrl-C stops it; nothing is lost.");
}
