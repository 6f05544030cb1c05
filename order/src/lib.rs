//! Order: what is bought, and the saga that settles it.
//!
//! ```text
//! api (HTTP)  ->  service, saga, recovery  ->  decide (pure)  over  record, keys
//!                        │      └─ shared::engine commits
//!                        └─ participants: stock and payment
//! ```

pub mod api;
pub mod config;
pub mod decide;
pub mod keys;
pub mod participants;
pub mod random_orders;
pub mod record;
mod recovery;
mod saga;
mod service;
pub mod standing;

pub use service::{Added, Checkout, Orders};
