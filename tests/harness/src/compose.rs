use std::{
    net::SocketAddr,
    process::{Command, Output},
};

use crate::{Client, eventually, unused_address};

/// The whole system as docker-compose.yml describes it, under a project name of its own and on an address of
/// its own. It is taken down, with its data, when the value is dropped.
pub struct Compose {
    listen: SocketAddr,
    project: String,
}

impl Compose {
    /// Starts everything, with the image that `HOLDFAST_IMAGE` names, and waits until it answers.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start() -> Self {
        let compose = Self {
            listen: unused_address(),
            project: format!("holdfast-test-{}", std::process::id()),
        };
        compose.run(&["up", "--detach", "--no-build"]);
        compose.answers().await;
        compose
    }

    /// A client of the gateway.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::of_one_origin(&self.origin())
    }

    /// The base URL of the gateway.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://{}", self.listen)
    }

    /// Waits until every service answers through the gateway.
    pub async fn answers(&self) {
        let client = self.client();
        for path in ["/stock/find/nobody", "/payment/find_user/nobody", "/orders/find/nobody"] {
            eventually(path, async || {
                let answer = client.try_call(reqwest::Method::GET, path).await.ok()?;
                (answer.status == 404).then_some(())
            })
            .await;
        }
    }

    /// Lets the auditor prove that everything adds up, and returns what it prints.
    ///
    /// # Panics
    /// If something is off.
    #[must_use]
    pub fn audit(&self) -> String {
        // Nobody is at a terminal.
        self.run(&["run", "--rm", "-T", "audit"])
    }

    /// The ids of a service's containers.
    #[must_use]
    pub fn containers(&self, service: &str) -> Vec<String> {
        let ids = self.run(&["ps", "--quiet", service]);
        ids.split_whitespace().map(ToOwned::to_owned).collect()
    }

    /// Runs `docker` with these words and returns what it prints.
    fn docker(words: &[&str]) -> String {
        printed(Command::new("docker").args(words).output(), words)
    }

    /// Ends a container at once, as kill -9 does.
    pub fn kill(&self, container: &str) {
        Self::docker(&["kill", container]);
    }

    /// Starts a container again and waits until its own health check is satisfied.
    pub async fn start_again(&self, container: &str) {
        Self::docker(&["start", container]);
        eventually("the container is healthy", async || {
            let health = Self::docker(&["inspect", "--format", "{{.State.Health.Status}}", container]);
            (health.trim() == "healthy").then_some(())
        })
        .await;
    }

    /// Ends all containers of a service at once.
    pub fn kill_all(&self, service: &str) {
        for container in self.containers(service) {
            self.kill(&container);
        }
    }

    /// Starts all containers of a service again, and waits until the gateway has found them.
    pub async fn start_all(&self, service: &str) {
        // Those that have ended are asked for too.
        let ids = self.run(&["ps", "--quiet", "--all", service]);
        for container in ids.split_whitespace() {
            self.start_again(container).await;
        }
        self.answers().await;
    }

    /// Lets a container stand still, or go on.
    pub fn pause(&self, container: &str, paused: bool) {
        Self::docker(&[if paused { "pause" } else { "unpause" }, container]);
    }

    /// Lets a service have so many containers.
    pub fn scale(&self, service: &str, containers: usize) {
        let scale = format!("{service}={containers}");
        self.run(&[
            "up",
            "--detach",
            "--no-deps",
            "--no-recreate",
            "--scale",
            &scale,
            service,
        ]);
    }

    /// A container's address in a network.
    #[must_use]
    pub fn address(&self, container: &str, network: &str) -> String {
        let template = format!(
            "{{{{(index .NetworkSettings.Networks \"{}\").IPAddress}}}}",
            self.network(network)
        );
        Self::docker(&["inspect", "--format", &template, container])
            .trim()
            .into()
    }

    /// What the gateway's container hears when it sends this to a port, or nothing if it cannot connect.
    ///
    /// # Panics
    /// If docker does not run.
    #[must_use]
    pub fn heard_by_the_gateway(&self, host: &str, port: u16, request: &str) -> Option<String> {
        let gateway = self.containers("gateway").into_iter().next()?;
        let script = "exec 3<>\"/dev/tcp/$0/$1\" && printf \"$2\" >&3 && cat <&3";
        let output = Command::new("docker")
            .args(["exec", &gateway, "timeout", "5", "bash", "-c", script, host])
            .args([&port.to_string(), request])
            .output()
            .expect("docker runs");
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Where the gateway listens.
    #[must_use]
    pub fn listens(&self) -> SocketAddr {
        self.listen
    }

    /// Cuts a service's containers off from a network.
    pub fn cut(&self, network: &str, service: &str) {
        for container in self.containers(service) {
            Self::docker(&["network", "disconnect", &self.network(network), &container]);
        }
    }

    /// Mends what [`Compose::cut`] did.
    pub fn mend(&self, network: &str, service: &str) {
        for container in self.containers(service) {
            let (network, internal) = (self.network(network), format!("{service}-internal"));
            let aliases = ["--alias", service, "--alias", &internal];
            Self::docker(&[&["network", "connect"], &aliases[..], &[&network, &container]].concat());
        }
    }

    fn network(&self, name: &str) -> String {
        format!("{}_{name}", self.project)
    }

    /// Runs compose with these words and returns what it prints.
    fn run(&self, words: &[&str]) -> String {
        printed(self.command().args(words).output(), words)
    }

    /// `HOLDFAST_COMPOSE` names the program: `docker compose`, or `docker-compose` if that is what there is.
    fn command(&self) -> Command {
        let program = std::env::var("HOLDFAST_COMPOSE").unwrap_or_else(|_| "docker compose".into());
        let mut words = program.split_whitespace();
        let mut command = Command::new(words.next().unwrap_or("docker"));
        command
            .args(words)
            .args(["--project-name", &self.project])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
            .env("HOLDFAST_LISTEN", self.listen.to_string());
        command
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let logs = self.command().args(["logs", "--tail", "30"]).output();
            let logs = logs.map(|output| output.stdout).unwrap_or_default();
            eprintln!("{}", String::from_utf8_lossy(&logs));
        }
        let _ = self.command().args(["down", "--volumes", "--timeout", "5"]).output();
    }
}

fn printed(output: std::io::Result<Output>, words: &[&str]) -> String {
    let output = output.unwrap_or_else(|error| unreachable!("{words:?}: {error}"));
    assert!(
        output.status.success(),
        "{words:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
