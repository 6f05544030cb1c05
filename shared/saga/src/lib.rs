//! The contract between the checkout saga's driver and its participants.
//!
//! ```text
//! driver                                                       participant
//! Participant::calls ─> coalesced requests ── HTTP ──> InternalRoutes ─> its engine
//!                                          <── lines ─
//! ```
//!
//! Both halves of the wire stand here side by side, so that they cannot drift: a [`Request`] is sent by a
//! [`client`] and served by a [`server`], and [`ReplyLines`] reads what the server writes.

pub mod client;
mod envelope;
mod lines;
mod problems;
mod requests;
pub mod server;

pub use self::{
    envelope::{
        ALIVE_PATH, BUDGET_HEADER, BadBudget, Budget, Call, MAX_CALL_BYTES, MAX_CALLS, MAX_REPLY_BYTES,
        MAX_REQUEST_BYTES, Numbered, Reply, TERMS_HEADER, TERMS_MISMATCHES,
    },
    lines::{BadLine, ReplyLines},
    problems::{INSUFFICIENT_CREDIT, OUT_OF_STOCK, UNKNOWN_ITEM, UNKNOWN_USER},
    requests::{
        Charge, ChargeAnswer, Line, OpenAccount, Opened, Quote, QuoteAnswer, Refund, Refunded, Release, Released,
        Request, Reserve, ReserveAnswer, SAGA_MISMATCHES, SettleCharge, SettlePieces, Settled,
    },
};
