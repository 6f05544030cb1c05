//! The engine: group commit over WATCH / MULTI / EXEC.
//!
//! The textbook optimistic loop collapses on a hot key: the more clients, the more of them lose. Here every
//! state change of a partition goes through one task, its *lane*, which commits all changes that wait in
//! its queue as one transaction. Rivals are then only the lanes of other processes, and a hot key costs
//! no more than a cold one.
//!
//! ```text
//! submit ─┐                ┌────────────────────── lane ───────────────────────┐
//! submit ─┼─> bounded queue ─> WATCH + MGET ─> decide, decide, ... ─> MULTI..EXEC ─> answers
//! submit ─┘                      ^   one view, in arrival order        │ null: decide again
//!                                └───────────────────────────────────┘ lost: ask the fence
//! ```
//!
//! The engine knows no business word: services give it [`Record`] types, [`Command`]s with pure decision
//! functions, and keys.
//!
//! Imports run one way: [`store`] knows how Redis is reached and nothing of lanes; lanes know nothing of [`bulk`].

mod backlog;
mod batch;
pub mod bulk;
mod clock_watch;
mod command;
mod engine;
mod error;
mod events;
mod fence;
mod health;
mod idempotency;
pub mod keys;
mod lane;
mod outbox;
mod pace;
mod record;
mod refusal;
mod simulation;
pub mod store;
mod transaction;
mod turn;
mod view;
mod writes;

pub use self::{
    command::Command,
    engine::{Engine, EngineConfig, Lanes},
    error::EngineError,
    events::{Announced, Emitted, Event, EventKind, Outbox, Sequence, parse_events},
    health::{Ailment, Health},
    idempotency::{KeyedRequest, OUTCOME_KEPT, Once, Repeatable, read_kept},
    record::Record,
    simulation::Simulation,
    view::{Touches, View},
};
