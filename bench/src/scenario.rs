//! What can be run, and which answers are right.

use std::fmt;

use clap::ValueEnum;
use hyper::StatusCode;
use serde::Serialize;

use crate::connection::Answer;

/// What is bought, and how the clients ask. If nothing else is said, an order has two lines of one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scenario {
    /// Both lines are random among 100,000 items.
    Uniform,
    /// As uniform, and each checkout has an `Idempotency-Key` of its own.
    Keyed,
    /// As uniform, and a group of consumers beside it is given every event.
    Events,
    /// One line of every order is the same item.
    Hot,
    /// 10,000 buyers of one item with 100 pieces arrive at once.
    FlashSale,
    /// No user has credit: every checkout is refused.
    Refusals,
    /// Of 100 calls, 80 look an item up, 15 add a line, and 5 check out.
    Mixed,
    /// Ten times as many callers as are served at once. Who is refused waits as told, and asks again.
    Overload,
}

impl Scenario {
    /// Whether this answer to a checkout is right.
    pub(crate) fn expects(self, answer: &Answer) -> bool {
        match self {
            Self::Uniform | Self::Keyed | Self::Events | Self::Hot | Self::Mixed | Self::Overload => {
                answer.status == StatusCode::OK
            }
            Self::FlashSale => {
                answer.status == StatusCode::OK || answer.is_problem(StatusCode::CONFLICT, "out-of-stock")
            }
            Self::Refusals => answer.is_problem(StatusCode::PAYMENT_REQUIRED, "insufficient-credit"),
        }
    }

    /// Whether checkouts can arrive at a fixed rate. The others have a pace of their own.
    pub(crate) fn can_be_paced(self) -> bool {
        matches!(
            self,
            Self::Uniform | Self::Keyed | Self::Events | Self::Hot | Self::Refusals
        )
    }

    /// What a second's count is of.
    pub(crate) fn counted(self) -> &'static str {
        match self {
            Self::Refusals => "refused",
            Self::FlashSale => "answered",
            _ => "paid",
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Uniform => "uniform",
            Self::Keyed => "keyed",
            Self::Events => "events",
            Self::Hot => "hot",
            Self::FlashSale => "flash-sale",
            Self::Refusals => "refusals",
            Self::Mixed => "mixed",
            Self::Overload => "overload",
        })
    }
}
