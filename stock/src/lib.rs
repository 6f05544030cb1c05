//! Stock: what can be sold, and who holds how much of it.
//!
//! ```text
//! api, internal (HTTP)  ->  service  ->  decide (pure)  over  record, keys
//!                              └─ engine commits
//! ```

pub mod api;
pub mod decide;
pub mod internal;
pub mod keys;
pub mod record;
mod service;

pub use service::Stock;
