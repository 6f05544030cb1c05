//! The pure middle: what is off about one order, as far as the sweeps tell.

use std::collections::{BTreeMap, BTreeSet};

use domain::{OrderId, SagaId};
use order::record::{Order, Sale};

use super::wanted;
use crate::{
    finding::Kind,
    participant::{HoldOf, Participant, SagaContents, held},
};

/// Where a saga stands, by its order.
pub(super) enum Stage<'a> {
    /// It is not finished.
    UnderWay { order: &'a Order },
    /// It is paid.
    Paid(Sale),
    /// It ended without being paid.
    Over,
    /// The order has not begun so many attempts.
    NotYet,
    /// There is no such order.
    NoOrder,
}

/// The sales of one order that was set back, by attempt.
pub(super) type Sales = BTreeMap<u32, Sale>;

/// All that was sold under the order's name.
pub(super) fn sales_of(order: Option<&Order>, set_back: &Sales) -> Sales {
    let mut sales = set_back.clone();
    let latest = order.and_then(|order| Some((order.attempt, order.sale(order.attempt)?)));
    sales.extend(latest);
    sales
}

pub(super) fn stage<'a>(order: Option<&'a Order>, sales: &Sales, attempt: u32) -> Stage<'a> {
    if let Some(sale) = sales.get(&attempt) {
        return Stage::Paid(sale.clone());
    }
    let Some(order) = order else {
        return Stage::NoOrder;
    };
    match order.sale(attempt) {
        Some(sale) => Stage::Paid(sale),
        None if attempt > order.attempt => Stage::NotYet,
        None if attempt == order.attempt && order.drive().is_some() => Stage::UnderWay { order },
        None => Stage::Over,
    }
}

/// Something that is off, or may only have changed between two readings.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Suspicion {
    /// It cannot have changed.
    Certain {
        saga_id: SagaId,
        id: String,
        kind: Kind,
        detail: String,
    },
    /// A hold of a saga that is not under way and not paid.
    LiveHold {
        saga_id: SagaId,
        id: String,
        detail: String,
    },
    /// A paid saga is off the index, and its hold is still there.
    NotSettled { saga_id: SagaId, id: String },
    /// A paid saga has no hold here.
    NoHold { saga_id: SagaId, id: String, amount: i64 },
}

impl Suspicion {
    pub(super) fn saga_id(&self) -> &SagaId {
        match self {
            Self::Certain { saga_id, .. }
            | Self::LiveHold { saga_id, .. }
            | Self::NotSettled { saga_id, .. }
            | Self::NoHold { saga_id, .. } => saga_id,
        }
    }

    /// Whether it matters where the saga stands now.
    pub(super) fn asks(&self) -> bool {
        matches!(self, Self::NoHold { .. } | Self::NotSettled { .. })
    }

    pub(super) fn id(&self) -> &str {
        match self {
            Self::Certain { id, .. }
            | Self::LiveHold { id, .. }
            | Self::NotSettled { id, .. }
            | Self::NoHold { id, .. } => id,
        }
    }
}

/// Holds one participant's holds against their order.
pub(super) fn judge<P: Participant>(
    order_id: &OrderId,
    order: Option<&Order>,
    sales: &Sales,
    entries: &BTreeSet<SagaId>,
    holds: &BTreeMap<(SagaId, String), HoldOf<P>>,
) -> Vec<Suspicion> {
    let mut suspicions: Vec<Suspicion> = holds
        .iter()
        .filter_map(|((saga_id, id), hold)| judge_hold::<P>(order, sales, entries, saga_id, id, held(hold)))
        .collect();
    for (attempt, sale) in sales {
        let saga_id = SagaId {
            order: order_id.clone(),
            attempt: *attempt,
        };
        for (id, amount) in P::claims(&SagaContents::by(sale)) {
            if !holds.contains_key(&(saga_id.clone(), id.clone())) {
                let saga_id = saga_id.clone();
                suspicions.push(Suspicion::NoHold { saga_id, id, amount });
            }
        }
    }
    suspicions
}

fn judge_hold<P: Participant>(
    order: Option<&Order>,
    sales: &Sales,
    entries: &BTreeSet<SagaId>,
    saga_id: &SagaId,
    id: &str,
    held: Option<i64>,
) -> Option<Suspicion> {
    let certain = |kind, detail: String| {
        Some(Suspicion::Certain {
            saga_id: saga_id.clone(),
            id: id.to_owned(),
            kind,
            detail,
        })
    };
    let live = |detail: &str| {
        Some(Suspicion::LiveHold {
            saga_id: saga_id.clone(),
            id: id.to_owned(),
            detail: detail.to_owned(),
        })
    };
    let amount_is_off = |wanted: &SagaContents<'_>, amount: i64| {
        let due = P::claims(wanted).get(id).copied().unwrap_or(0);
        (due != amount).then(|| format!("is {amount}; its order asks for {due}"))
    };
    match (stage(order, sales, saga_id.attempt), held) {
        (Stage::Paid(_), None) => certain(Kind::PaidButUndone, format!("{saga_id} is paid")),
        (_, None) => None,
        (Stage::Paid(sale), Some(amount)) => {
            if let Some(detail) = amount_is_off(&SagaContents::by(&sale), amount) {
                certain(Kind::WrongAmount, detail)
            } else if entries.contains(saga_id) {
                None
            } else {
                let (saga_id, id) = (saga_id.clone(), id.to_owned());
                Some(Suspicion::NotSettled { saga_id, id })
            }
        }
        (Stage::UnderWay { order }, Some(amount)) => {
            amount_is_off(&wanted(order), amount).and_then(|detail| certain(Kind::WrongAmount, detail))
        }
        (Stage::Over, _) => live("its saga ended without being paid"),
        (Stage::NotYet, _) => live("its order has not begun so many attempts"),
        (Stage::NoOrder, _) => live("there is no such order"),
    }
}
