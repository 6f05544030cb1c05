use std::process::Command;

use crate::{
    fuzz::ensure_python,
    run::{cargo, is_there, run},
};

/// The two forms of the compose program, the present one first.
const COMPOSE: [&[&str]; 2] = [&["docker", "compose"], &["docker-compose"]];

/// Builds and starts the system of docker-compose.yml, lets clients buy by its documents alone, breaks it under load, and
/// checks every promise.
///
/// Where there is no engine, says so and ends well: the rest of the checks don't need it.
///
/// # Errors
/// Where a step or the test fails.
pub(crate) fn compose_test() -> anyhow::Result<()> {
    if !is_there("docker", "info") {
        println!("SKIPPED: no Docker engine answers here, so docker-compose.yml was not tested.");
        return Ok(());
    }
    let Some(compose) = compose() else {
        println!(
            "SKIPPED: neither `docker compose` nor `docker-compose` is there, so docker-compose.yml was not tested."
        );
        return Ok(());
    };
    // Public where a registry is reached; made from Debian's packages where not.
    if run(Command::new(compose[0])
        .args(&compose[1..])
        .args(["pull", "--quiet", "gateway", "order-redis"]))
    .is_err()
    {
        println!("no registry is reached; making the base images");
        run(&mut Command::new("deploy/base-images.sh"))?;
    }
    let python = ensure_python()?;
    run(cargo()
        .args(["test", "--workspace", "--test", "it", "--"])
        .args(["--ignored", "--nocapture", "compose::"])
        .env("HOLDFAST_COMPOSE", compose.join(" "))
        .env("PYTHON", python.join("python")))
}

/// The words that start the compose program of this machine.
fn compose() -> Option<&'static [&'static str]> {
    COMPOSE.into_iter().find(|words| {
        let version = Command::new(words[0]).args(&words[1..]).arg("version").output();
        version.is_ok_and(|output| output.status.success())
    })
}
