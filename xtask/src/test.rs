use crate::{
    rabbitmq::ensure_rabbitmq,
    redis::ensure_redis,
    run::{cargo, is_there, run},
};

/// Builds the services, which the tests start as processes, and runs every test.
///
/// # Errors
/// If a step or a test fails.
pub(crate) fn test(options: &[String]) -> anyhow::Result<()> {
    ensure_redis()?;
    ensure_rabbitmq()?;
    run(cargo().args(["build", "--workspace", "--bins"]))?;
    let mut runner = cargo();
    if is_there("cargo-nextest", "--version") {
        runner.args(["nextest", "run", "--workspace"]);
    } else {
        runner.args(["test", "--workspace"]);
    }
    run(runner.args(options))
}
