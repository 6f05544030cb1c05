//! The three stores, and where they are.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use bus::Bus;
use clap::{Args, builder::TypedValueParser};
use domain::Millis;
use engine::{
    keys::Partitions,
    store::{RedisAccess, RedisUrl, Store, StoreConfig, claimed_partitions, scan::Scanner},
};

/// Where the stores are.
#[derive(Debug, Args)]
pub(crate) struct Addresses {
    /// The data folder of a standalone.
    #[arg(long, conflicts_with_all = ["order_redis", "stock_redis", "payment_redis"])]
    data: Option<PathBuf>,
    /// Order's Redis.
    #[arg(
        long,
        env = "ORDER_REDIS_URL",
        hide_env_values = true,
        required_unless_present = "data"
    )]
    order_redis: Option<RedisUrl>,
    /// Stock's Redis.
    #[arg(
        long,
        env = "STOCK_REDIS_URL",
        hide_env_values = true,
        required_unless_present = "data"
    )]
    stock_redis: Option<RedisUrl>,
    /// Payment's Redis.
    #[arg(
        long,
        env = "PAYMENT_REDIS_URL",
        hide_env_values = true,
        required_unless_present = "data"
    )]
    payment_redis: Option<RedisUrl>,
    /// The bus, to audit events too. The data folder of a standalone has its own.
    #[arg(long, env = "BUS_URL", hide_env_values = true, conflicts_with = "data")]
    bus_redis: Option<RedisUrl>,
    /// How the Redis servers let us in: all of them alike.
    #[command(flatten)]
    access: RedisAccess,
    /// How long one Redis command may take, in milliseconds.
    #[arg(long = "redis-timeout-ms", value_name = "MILLIS", env = "REDIS_TIMEOUT_MS", default_value_t = Millis::new(10_000), value_parser = clap::value_parser!(u64).map(Millis::new))]
    redis_timeout: Millis,
}

impl Addresses {
    fn open_bus(&self) -> anyhow::Result<Option<Bus>> {
        let url = match (&self.data, &self.bus_redis) {
            (None, None) => return Ok(None),
            (_, given) => self.url("bus", given.as_ref()),
        };
        let bus = Bus::open(&self.store(&url)).with_context(|| format!("the bus at {url}"))?;
        Ok(Some(bus))
    }

    fn store(&self, url: &RedisUrl) -> StoreConfig {
        StoreConfig {
            redis_url: url.clone(),
            access: self.access.for_url(url),
            redis_timeout: self.redis_timeout,
            ..StoreConfig::at("")
        }
    }

    fn url(&self, service: &str, given: Option<&RedisUrl>) -> RedisUrl {
        match (&self.data, given) {
            (Some(data), _) => format!("redis+unix://{}", data.join(service).join("redis.sock").display()).into(),
            (None, Some(url)) => url.clone(),
            (None, None) => StoreConfig::at("").redis_url,
        }
    }
}

/// One service's store.
pub(crate) struct Source {
    pub(crate) store: Store,
    pub(crate) scanner: Scanner,
    pub(crate) partitions: Partitions,
}

/// The three stores.
pub(crate) struct Sources {
    pub(crate) order: Source,
    pub(crate) stock: Source,
    pub(crate) payment: Source,
    /// The bus, if one is named.
    pub(crate) bus: Option<Bus>,
}

impl Sources {
    pub(crate) async fn open(addresses: &Addresses) -> anyhow::Result<Self> {
        let open = async |service: &str, given: Option<&RedisUrl>| {
            let url = addresses.url(service, given);
            Source::open(service, &url, addresses)
                .await
                .with_context(|| format!("the store of {service} at {url}"))
        };
        Ok(Self {
            order: open("order", addresses.order_redis.as_ref()).await?,
            stock: open("stock", addresses.stock_redis.as_ref()).await?,
            payment: open("payment", addresses.payment_redis.as_ref()).await?,
            bus: addresses.open_bus()?,
        })
    }

    /// Which runs of the servers answer.
    pub(crate) async fn runs(&self) -> anyhow::Result<[String; 3]> {
        Ok([
            self.order.scanner.run_id().await?,
            self.stock.scanner.run_id().await?,
            self.payment.scanner.run_id().await?,
        ])
    }
}

impl Source {
    async fn open(service: &str, url: &RedisUrl, addresses: &Addresses) -> anyhow::Result<Self> {
        let store = Store::open(&addresses.store(url))?;
        ensure!(
            !store.is_clustered(),
            "a scan of a Redis Cluster is not supported; audit single servers"
        );
        // Says what is wrong with a certificate, which the scanner's client does not.
        store.connect("").await?;
        let scanner = store.scanner();
        let claim = scanner.claim().await?.context("it is not a store of Holdfast")?;
        let partitions =
            claimed_partitions(&claim, service).with_context(|| format!("it says that it is the store of {claim}"))?;
        Ok(Self {
            scanner,
            store,
            partitions: Partitions::new(partitions)?,
        })
    }
}
