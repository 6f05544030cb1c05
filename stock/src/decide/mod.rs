//! What can happen to the stock: one command a file, each with a pure decision function.

mod add;
mod create;
mod init;
mod release;
mod reserve;
mod settle;
mod subtract;

#[cfg(test)]
mod properties;

pub(crate) use self::reserve::first_refusal;
pub(crate) use self::{
    add::{Add, AddOutcome},
    create::Create,
    init::Init,
    release::ReleaseItems,
    reserve::{Claim, ReserveClaims},
    settle::SettleHolds,
    subtract::{Subtract, SubtractOutcome},
};
