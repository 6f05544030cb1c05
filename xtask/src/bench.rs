use std::{path::Path, process::Command};

use crate::{
    redis::ensure_redis,
    run::{become_command, cargo, debug_binary, release_binary, run, target},
};

/// The load generator, what it measures, and the auditor that every run ends with.
const PACKAGES: [&str; 6] = ["audit", "bench", "order", "payment", "standalone", "stock"];

/// Builds the services and the load generator, and lets the one measure the others.
///
/// The report goes to `target/bench`, if nothing else is said. With `dev` it is the development build that is
/// measured, which takes far less time to make: to see that all works.
///
/// # Errors
/// If a step fails, a checkout was not answered as it had to be, or an audit found something.
pub(crate) fn bench(dev: bool, options: &[String]) -> anyhow::Result<()> {
    ensure_redis()?;
    println!("building Holdfast; the first time takes a few minutes");
    let mut build = cargo();
    build.args(["build", "--quiet"]);
    let bench = if dev {
        // As the tests do, so that nothing is built twice.
        build.args(["--workspace", "--bins"]);
        debug_binary("bench")
    } else {
        build.arg("--release");
        build.args(PACKAGES.map(|name| format!("--package={name}")));
        release_binary("bench")
    };
    run(&mut build)?;
    let programs = bench.parent().unwrap_or(Path::new("."));
    let mut command = Command::new(&bench);
    command.arg("--programs").arg(programs);
    for (option, file) in [("--json", "report.json"), ("--html", "report.html")] {
        let with_value = format!("{option}=");
        let said = |word: &String| word == option || word.starts_with(&with_value);
        if !options.iter().any(said) {
            command.arg(option).arg(target().join("bench").join(file));
        }
    }
    become_command(command.args(options))
}
