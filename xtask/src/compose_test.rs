use std::{fs, path::Path, process::Command};

use crate::{
    fuzz::ensure_python,
    run::{cargo, debug_binary, is_there, run, target},
};

/// The two forms of the compose program, the present one first.
const COMPOSE: [&[&str]; 2] = [&["docker", "compose"], &["docker-compose"]];
/// The image that the test runs.
const IMAGE: &str = "holdfast-test";
/// The programs in the image.
const PROGRAMS: [&str; 4] = ["holdfast", "order", "payment", "stock"];

/// Builds and starts the system of docker-compose.yml, lets clients buy by its documents alone, breaks it under load, and
/// checks every promise. With `prebuilt`, the image holds the programs of the development build, which saves a build.
///
/// If there is no engine, says so and ends well: the rest of the checks don't need it.
///
/// # Errors
/// A step or the test fails.
pub(crate) fn compose_test(prebuilt: bool) -> anyhow::Result<()> {
    let Some(compose) = ensure_images()? else {
        println!(
            "SKIPPED: no Docker engine answers here, or neither `docker compose` nor `docker-compose` is there, so docker-compose.yml was not tested."
        );
        return Ok(());
    };
    if prebuilt {
        build_image_of_prebuilt()?;
    } else {
        run(Command::new("docker").args(["build", "--tag", IMAGE, "."]))?;
    }
    let python = ensure_python()?;
    run(cargo()
        .args(["test", "--workspace", "--test", "it", "--"])
        .args(["--ignored", "--nocapture", "compose::"])
        .env("HOLDFAST_COMPOSE", compose.join(" "))
        .env("HOLDFAST_IMAGE", IMAGE)
        .env("PYTHON", python.join("python")))
}

/// Pulls the base images, or makes them from Debian's packages if no registry is reached. Returns the words that start the
/// compose program of this machine, or nothing if there is no engine.
///
/// # Errors
/// They cannot be made.
pub(crate) fn ensure_images() -> anyhow::Result<Option<&'static [&'static str]>> {
    if !is_there("docker", "info") {
        return Ok(None);
    }
    let Some(compose) = compose() else {
        return Ok(None);
    };
    if run(Command::new(compose[0])
        .args(&compose[1..])
        .args(["pull", "--quiet", "gateway", "order-redis"]))
    .is_err()
    {
        println!("no registry is reached; making the base images");
        run(&mut Command::new("deploy/base-images.sh"))?;
    }
    Ok(Some(compose))
}

/// The Dockerfile's own runtime stage, with the programs of the development build.
fn build_image_of_prebuilt() -> anyhow::Result<()> {
    const RUNTIME: &str = "holdfast-runtime";
    run(cargo().args(["build", "--workspace", "--bins"]))?;
    run(Command::new("docker").args(["build", "--target", "runtime", "--tag", RUNTIME, "."]))?;
    let context = target().join("image");
    fs::create_dir_all(&context)?;
    for program in PROGRAMS {
        fs::copy(debug_binary(program), context.join(program))?;
    }
    let programs = PROGRAMS.join(" ");
    fs::write(
        context.join("Dockerfile"),
        format!("FROM {RUNTIME}\nCOPY {programs} /usr/local/bin/\n"),
    )?;
    run(Command::new("docker")
        .args(["build", "--tag", IMAGE])
        .arg(Path::new(&context)))
}

/// The words that start the compose program of this machine.
fn compose() -> Option<&'static [&'static str]> {
    COMPOSE.into_iter().find(|words| {
        let version = Command::new(words[0]).args(&words[1..]).arg("version").output();
        version.is_ok_and(|output| output.status.success())
    })
}
