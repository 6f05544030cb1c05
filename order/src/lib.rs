//! Order: what is bought, and the saga that settles it.
//!
//! ```text
//! api (HTTP)  ->  service, checkout  ─┬─>  saga  ->  decide (pure)  over  record, keys
//!                 recovery           ─┘     │  └─ engine commits
//!                                           └─ participants: stock and payment
//! ```

pub mod api;
mod asking;
mod checkout;
pub mod config;
pub mod decide;
mod drivers;
pub mod keys;
pub mod lease;
mod metrics;
pub mod participants;
pub mod random_orders;
pub mod record;
mod recovery;
mod room;
mod saga;
mod sales;
mod service;
pub mod standing;

pub use self::{
    checkout::Checkout,
    drivers::Drivers,
    recovery::Recovery,
    service::{Added, Orders},
};
