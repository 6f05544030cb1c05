//! What can happen to the stock: one command a file, each with a pure decision function.

mod add;
mod create;
mod init;
mod release;
mod reserve;
mod subtract;

#[cfg(test)]
mod properties;

use std::time::Duration;

pub use self::{
    add::{Add, AddOutcome},
    create::Create,
    init::{Init, InitOutcome},
    release::{ReleaseItems, Released},
    reserve::{Claim, ReserveClaims},
    subtract::{Subtract, SubtractOutcome},
};

/// How long a tombstone refuses late requests of its saga. It must outlast every request that may still
/// be under way, and every driver that may still wake up.
pub const TOMBSTONE_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
