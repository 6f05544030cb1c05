//! What can happen to an account outside of a saga: one command a file, each with a pure decision function. What sagas do to
//! it is decided by the [`ledger`].

mod add_funds;
mod create;
mod init;
mod open;
mod pay;
#[cfg(test)]
mod properties;

pub(crate) use self::{add_funds::AddFunds, create::Create, init::Init, open::Open, pay::Pay};
