//! What every participant of a saga decides: how much is left of a thing, and what sagas hold of it.
//!
//! ```text
//!            supply, withdraw, reset
//!                      │
//!   Take        ┌──────▼──────┐        GiveBack
//! saga ───────> │   Balance   │ <─────────── saga
//!               └─────────────┘
//!         Hold: held ── GiveBack ──> undone (a tombstone)
//!               held ── Settle ────> forgotten: what it held is sold
//! ```
//!
//! Decisions are pure; the engine commits them.

mod balance;
mod fingerprint;
mod give_back;
mod hold;
mod settle;
mod take;
mod terms;

#[cfg(test)]
mod properties;

pub use self::{
    balance::{Balance, Balanced, Direction, Movement},
    fingerprint::Fingerprint,
    give_back::GiveBack,
    hold::{Hold, HoldKey, Refusal, Span},
    settle::Settle,
    take::{Claim, Denial, Reason, Take},
    terms::{BadTerms, Terms},
};
