//! What can happen to the stock outside of a saga: one command a file, each with a pure decision function. What sagas do to
//! it is decided by the [`ledger`].

mod add;
mod create;
mod init;
#[cfg(test)]
mod properties;
mod subtract;

pub(crate) use self::{add::Add, create::Create, init::Init, subtract::Subtract};
