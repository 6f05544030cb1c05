//! Installing what is missing, by the system's package manager.

use std::process::Command;

use crate::run::run;

/// Runs a package manager's commands one after another, by sudo if they need root and this is not, and prints each first.
///
/// # Errors
/// If one fails.
pub(crate) fn install(commands: &[&[&str]], as_root: bool) -> anyhow::Result<()> {
    let sudo: &[&str] = if as_root && !is_root() { &["sudo"] } else { &[] };
    for command in commands {
        let words = [sudo, command].concat();
        println!("  {}", words.join(" "));
        if let Some((program, arguments)) = words.split_first() {
            run(Command::new(program).args(arguments))?;
        }
    }
    Ok(())
}

fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.starts_with(b"0\n"))
}
