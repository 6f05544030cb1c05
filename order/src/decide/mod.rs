//! What can happen to an order: one command a file, each with a pure decision function.
//!
//! ```text
//!             begin                    finish(paid)
//!   open ───────────────> checking_out ─────────────> paid
//!    ^ ^                   │    │  ^ │
//!    │ └── finish(rejected)┘    │  └─┘ take_over (epoch + 1)
//!    │                          │ cancel
//!    │   finish(rejected)       v
//!    └─────────────────────  cancelling ── take_over (epoch + 1)
//! ```

mod add_item;
mod begin;
mod cancel;
mod create;
mod finish;
mod forget;
mod init;
mod take_over;

#[cfg(test)]
mod cases;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod world;

pub(crate) use self::take_over::is_left_alone;
pub(crate) use self::{
    add_item::AddItem,
    begin::{Begin, Begun, KeptBegin, Saga},
    cancel::{Cancel, CancelOutcome},
    create::Create,
    finish::{Finish, FinishOutcome, Verdict},
    forget::Forget,
    init::{Init, NewOrder},
    take_over::{Course, TakeOver, TakeOverOutcome},
};
