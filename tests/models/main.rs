//! Models of the hard parts, explored exhaustively.

mod age;
mod consumers;
mod engine;
mod relay;
mod saga;
