use std::{net::SocketAddr, process::Command};

use reqwest::Method;
use serde_json::{Value, json};

use crate::{Client, Process, RedisServer, binary, counted, eventually, unused_address};

/// How a deployment is set up.
#[derive(Debug, Clone)]
pub struct Setup {
    /// How many processes each service has.
    pub replicas: usize,
    /// Settings of every process, as environment variables.
    pub settings: Vec<(&'static str, String)>,
    /// Settings of order's processes alone.
    pub order_settings: Vec<(&'static str, String)>,
    /// Where order finds stock, instead of at stock's own addresses.
    pub stock_urls: Option<String>,
    /// Where order finds payment, instead of at payment's own addresses.
    pub payment_urls: Option<String>,
    /// Where order finds its Redis, instead of at the server's own address.
    pub order_redis: Option<String>,
    /// Options of a bus, if there is one.
    pub bus: Option<Vec<&'static str>>,
}

impl Setup {
    /// One process each, as its users run it.
    #[must_use]
    pub fn plain() -> Self {
        Self {
            replicas: 1,
            settings: Vec::new(),
            order_settings: Vec::new(),
            stock_urls: None,
            payment_urls: None,
            order_redis: None,
            bus: None,
        }
    }

    /// As by default, with a bus.
    #[must_use]
    pub fn with_bus() -> Self {
        Self {
            bus: Some(Vec::new()),
            ..Self::default()
        }
    }
}

impl Default for Setup {
    /// One process each, with short times, so that recovery is seen within a second.
    fn default() -> Self {
        Self {
            settings: vec![
                ("SAGA_LEASE_MS", "1000".into()),
                ("CALL_TIMEOUT_MS", "1000".into()),
                ("SAGA_DEADLINE_MS", "20000".into()),
                ("RECOVERY_INTERVAL_MS", "50".into()),
            ],
            ..Self::plain()
        }
    }
}

/// One process of a service, with the addresses that it keeps across restarts.
pub struct Service {
    name: &'static str,
    /// Where the public calls are served.
    pub public: SocketAddr,
    /// Where the other services' calls are served.
    pub internal: SocketAddr,
    settings: Vec<(&'static str, String)>,
    /// What the processes before this one have logged.
    earlier_logs: String,
    /// The running process.
    pub process: Process,
}

impl Service {
    /// Starts a process and does not wait.
    #[must_use]
    pub fn start(name: &'static str, redis_url: &str, mut settings: Vec<(&'static str, String)>) -> Self {
        let (public, internal) = (unused_address(), unused_address());
        settings.push(("REDIS_URL", redis_url.to_owned()));
        settings.push(("LISTEN", public.to_string()));
        settings.push(("INTERNAL_LISTEN", internal.to_string()));
        let process = spawn(name, &settings);
        Self {
            name,
            public,
            internal,
            settings,
            earlier_logs: String::new(),
            process,
        }
    }

    /// Starts an order process of its own and waits until it is ready.
    pub async fn order(
        redis_url: &str,
        stock_urls: &str,
        payment_urls: &str,
        mut settings: Vec<(&'static str, String)>,
    ) -> Self {
        settings.push(("STOCK_URLS", stock_urls.to_owned()));
        settings.push(("PAYMENT_URLS", payment_urls.to_owned()));
        let mut service = Self::start("order", redis_url, settings);
        service.ready().await;
        service
    }

    /// Starts the process again, after it was killed.
    pub async fn start_again(&mut self) {
        self.spawn_again();
        self.ready().await;
    }

    /// Starts the process again, and does not wait.
    pub fn spawn_again(&mut self) {
        self.earlier_logs = self.logs();
        self.process = spawn(self.name, &self.settings);
    }

    /// Which service it is.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// All that the service has logged, its earlier processes included.
    #[must_use]
    pub fn logs(&self) -> String {
        format!("{}{}", self.earlier_logs, self.process.log())
    }

    /// Makes one internal call and returns its reply.
    ///
    /// # Panics
    /// If no answer comes, or not of one line.
    pub async fn internal_call(&self, path: &str, request: Value) -> Value {
        let http = crate::tls::http().build().expect("an HTTP client");
        let call = http
            .post(format!("{}{path}", self.internal_origin()))
            .json(&json!([{ "request": request }]));
        let response = call.send().await.expect("an answer");
        let line: Value = response.json().await.expect("one line of JSON");
        line["reply"].clone()
    }

    /// What one of the service's counters says, over all its labels.
    pub async fn counted(&self, metric: &str) -> u64 {
        counted(
            &Client::of_one_origin(&self.origin()).get("/metrics").await.text,
            metric,
        )
    }

    /// The operating system's number of the process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The public base URL.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme("TLS_CERTIFICATE_FILE"), self.public)
    }

    /// The base URL of the other services' calls.
    #[must_use]
    pub fn internal_origin(&self) -> String {
        format!("{}://{}", self.scheme("INTERNAL_TLS_CERTIFICATE_FILE"), self.internal)
    }

    /// How it serves, which this setting decides.
    fn scheme(&self, certificate: &str) -> &'static str {
        let is_encrypted = self.settings.iter().any(|(name, _)| *name == certificate);
        if is_encrypted { "https" } else { "http" }
    }

    /// Waits until the service is ready.
    ///
    /// # Panics
    /// If it ends.
    pub async fn ready(&mut self) {
        let client = Client::of_one_origin(&self.origin());
        eventually(&format!("{} is ready", self.name), async || {
            assert!(
                self.process.is_running(),
                "{} has ended: {}",
                self.name,
                self.process.log()
            );
            let answer = client.try_call(Method::GET, "/health/ready").await.ok()?;
            (answer.status == 200).then_some(())
        })
        .await;
    }
}

fn spawn(name: &str, settings: &[(&str, String)]) -> Process {
    let mut command = Command::new(binary(name));
    command.envs(settings.iter().map(|(key, value)| (*key, value)));
    Process::spawn(name, &mut command)
}

/// Three services and their Redis servers, as processes of their own.
pub struct Deployment {
    /// Stock's processes.
    pub stock: Vec<Service>,
    /// Payment's processes.
    pub payment: Vec<Service>,
    /// Order's processes.
    pub order: Vec<Service>,
    /// Stock's Redis.
    pub stock_redis: RedisServer,
    /// Payment's Redis.
    pub payment_redis: RedisServer,
    /// Order's Redis.
    pub order_redis: RedisServer,
    /// The bus, if there is one.
    pub bus: Option<RedisServer>,
    /// A client that takes the replicas in turn.
    pub client: Client,
}

impl Deployment {
    /// Starts everything and waits until it is ready.
    pub async fn start(setup: Setup) -> Self {
        let (stock_redis, payment_redis, order_redis) =
            tokio::join!(RedisServer::start(), RedisServer::start(), RedisServer::start());
        Self::start_on(setup, stock_redis, payment_redis, order_redis).await
    }

    /// Starts the services on Redis servers that are there, and waits until they are ready.
    pub async fn start_on(
        mut setup: Setup,
        stock_redis: RedisServer,
        payment_redis: RedisServer,
        order_redis: RedisServer,
    ) -> Self {
        let bus = match &setup.bus {
            Some(options) => Some(RedisServer::start_with(options).await),
            None => None,
        };
        setup.settings.extend(bus.iter().map(|bus| ("BUS_URL", bus.url())));
        let replicas = |name, redis: &str, settings: &Vec<_>| -> Vec<Service> {
            (0..setup.replicas)
                .map(|_| Service::start(name, redis, settings.clone()))
                .collect()
        };
        let mut stock = replicas("stock", &stock_redis.url(), &setup.settings);
        let mut payment = replicas("payment", &payment_redis.url(), &setup.settings);
        let mut settings = [setup.settings.clone(), setup.order_settings].concat();
        settings.push(("STOCK_URLS", setup.stock_urls.unwrap_or_else(|| internal_urls(&stock))));
        settings.push((
            "PAYMENT_URLS",
            setup.payment_urls.unwrap_or_else(|| internal_urls(&payment)),
        ));
        let redis = setup.order_redis.unwrap_or_else(|| order_redis.url());
        let mut order = replicas("order", &redis, &settings);
        for service in stock.iter_mut().chain(&mut payment).chain(&mut order) {
            service.ready().await;
        }
        let client = Client::new(origins(&order), origins(&stock), origins(&payment));
        Self {
            stock,
            payment,
            order,
            stock_redis,
            payment_redis,
            order_redis,
            bus,
            client,
        }
    }

    /// The bus.
    ///
    /// # Panics
    /// If there is none.
    pub fn bus(&mut self) -> &mut RedisServer {
        self.bus.as_mut().expect("a bus")
    }

    /// All processes.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.order.iter().chain(&self.stock).chain(&self.payment)
    }
}

fn origins(services: &[Service]) -> Vec<String> {
    services.iter().map(Service::origin).collect()
}

fn internal_urls(services: &[Service]) -> String {
    let urls: Vec<String> = services.iter().map(Service::internal_origin).collect();
    urls.join(",")
}
