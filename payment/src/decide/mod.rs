//! What can happen to an account: one command a file, each with a pure decision function.

mod add_funds;
mod charge;
mod create;
mod init;
mod pay;
mod refund;
mod settle;

#[cfg(test)]
mod properties;

pub(crate) use self::{
    add_funds::{AddFunds, AddFundsOutcome},
    charge::ChargeAccount,
    create::Create,
    init::Init,
    pay::{Pay, PayOutcome},
    refund::RefundAccount,
    settle::SettleHold,
};
