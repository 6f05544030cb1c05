//! Payment: what users can spend, and what sagas have charged.
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

pub use service::Payment;
