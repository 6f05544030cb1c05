//! The order service as a process of its own.

fn main() -> anyhow::Result<()> {
    process::run::<order::Orders>()
}
