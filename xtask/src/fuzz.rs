use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    redis::ensure_redis,
    run::{cargo, run, target},
};

/// What the fuzzing and the clients need, from the Python package index. openapi-generator needs Java besides.
const REQUIREMENTS: &str = "tests/requirements.txt";

/// Installs schemathesis and the clients beside the build, fuzzes every service by its OpenAPI document, and lets each
/// client make a purchase from the documents alone.
///
/// # Errors
/// If a step fails, an answer is not as documented, or a client cannot use the documents.
pub(crate) fn fuzz() -> anyhow::Result<()> {
    ensure_redis()?;
    let python = ensure_python()?;
    run(cargo().args(["build", "--workspace", "--bins"]))?;
    run(cargo()
        .args(["test", "--workspace", "--test", "it", "--"])
        .args(["--ignored", "--nocapture", "fuzz::", "clients::"])
        .env("SCHEMATHESIS", python.join("schemathesis"))
        .env("PYTHON", python.join("python")))
}

/// The folder of the programs that [`REQUIREMENTS`] installs, once they are there.
///
/// # Errors
/// If they cannot be installed.
pub(crate) fn ensure_python() -> anyhow::Result<PathBuf> {
    let folder = std::path::absolute(target().join("python"))?;
    let installed = folder.join("requirements.txt");
    let wanted = fs::read_to_string(REQUIREMENTS)?;
    if !is(&installed, &wanted) {
        println!("installing schemathesis and the clients in {}", folder.display());
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        run(Command::new(folder.join("bin/pip")).args(["install", "--quiet", "--requirement", REQUIREMENTS]))?;
        // Last, so that what was broken off is done again.
        fs::write(&installed, wanted)?;
    }
    Ok(folder.join("bin"))
}

fn is(file: &Path, text: &str) -> bool {
    fs::read_to_string(file).is_ok_and(|found| found == text)
}
