//! The identity service as a process of its own.

fn main() -> anyhow::Result<()> {
    process::run::<identity::Identity>()
}
