//! The payment service as a process of its own.

fn main() -> anyhow::Result<()> {
    process::run::<payment::Payment>()
}
