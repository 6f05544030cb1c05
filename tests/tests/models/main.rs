//! Models of the hard parts, explored exhaustively.

mod engine;
mod saga;
