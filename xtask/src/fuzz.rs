use std::{path::PathBuf, process::Command};

use crate::{
    redis::ensure_redis,
    run::{cargo, run, target},
};

/// What the fuzzing needs, from the Python package index.
const REQUIREMENTS: &str = "tests/requirements.txt";

/// Installs schemathesis beside the build, and fuzzes every service by its OpenAPI document.
///
/// # Errors
/// Where a step fails, or an answer is not as documented.
pub(crate) fn fuzz() -> anyhow::Result<()> {
    ensure_redis()?;
    let schemathesis = ensure_schemathesis()?;
    run(cargo().args(["build", "--workspace", "--bins"]))?;
    run(cargo()
        .args(["test", "--workspace", "--test", "it", "--"])
        .args(["--ignored", "--nocapture", "fuzz::"])
        .env("SCHEMATHESIS", schemathesis))
}

fn ensure_schemathesis() -> anyhow::Result<PathBuf> {
    let folder = std::path::absolute(target().join("schemathesis"))?;
    let program = folder.join("bin/schemathesis");
    if !program.exists() {
        println!("installing schemathesis in {}", folder.display());
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        run(Command::new(folder.join("bin/pip")).args(["install", "--quiet", "--requirement", REQUIREMENTS]))?;
    }
    Ok(program)
}
