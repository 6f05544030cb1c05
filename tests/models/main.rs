//! Models of the hard parts, explored exhaustively.

mod age;
mod consumers;
mod engine;
mod explored;
mod idempotency;
mod relay;
mod saga;
