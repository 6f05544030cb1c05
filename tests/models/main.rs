//! Models of the hard parts, explored exhaustively.

mod age;
mod engine;
mod relay;
mod saga;
