//! The way from a change to whoever needs to know of it.
//!
//! ```text
//!  a service's store                    the bus                                   a consumer
//! ┌──────────────────────┐   relay   ┌────────────────────────────┐  group  ┌─────────────────────┐
//! │ EXEC: records+outbox │ ────────> │ topic:{order-0..15}        │ ──────> │ handler, then XACK  │
//! └──────────────────────┘ exactly   │ cursor:{order}             │ at      │ retries, dead letter│
//!    trimmed behind it     once      │ trimmed behind its groups  │ least   └─────────────────────┘
//!                                    └────────────────────────────┘ once
//! ```

mod catalogue;
mod cloud_event;
mod config;
pub mod consumer;
pub mod feed;
pub mod inspect;
pub mod operator;
mod pages;
mod relay;
mod replies;
mod topic;

pub use self::{
    catalogue::{Catalogue, example},
    cloud_event::CloudEvent,
    config::{Bus, BusBounds, BusConfig, BusError},
    relay::Relay,
    topic::{Topic, TopicPartition},
};
