use std::ops::RangeInclusive;

use domain::{ItemId, Quantity, Timestamp};
use engine::{
    Command, Touches, View,
    keys::{Key, Partition},
};
use saga::{Fingerprint, ReserveAnswer, Terms};

use crate::record::{Hold, Item};

/// One saga's claim on one item.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    /// The item's name, for the answer.
    pub(crate) item_id: ItemId,
    /// The item's counters.
    pub(crate) item: Key<Item>,
    /// What is known of the claim.
    pub(crate) hold: Key<Hold>,
    /// How many pieces: the sum of the saga's lines of this item.
    pub(crate) quantity: Quantity,
}

/// Reserves a saga's claims of one partition, all or none, at most once.
///
/// Repeating the command gives the first answer and moves no stock, also where the first answer was a
/// refusal: otherwise a duplicate that arrives after the saga was rejected would hold pieces for nobody.
/// A saga that was released before it reserved is refused for good. If the saga's name holds something else, nothing
/// is taken and what is held stays.
#[derive(Debug)]
pub(crate) struct ReserveClaims {
    /// Where all the claims live.
    pub(crate) partition: Partition,
    /// How long words count and records stay.
    pub(crate) terms: Terms,
    /// When the asking driver took the saga.
    pub(crate) driven_since: Timestamp,
    /// What the saga is about.
    pub(crate) fingerprint: Fingerprint,
    /// Whether the store has room for what is new.
    pub(crate) has_room: bool,
    /// The claims, each on another item.
    pub(crate) claims: Vec<Claim>,
}

impl Command for ReserveClaims {
    type Outcome = ReserveAnswer;

    fn partition(&self) -> Partition {
        self.partition
    }

    fn touches(&self, touches: &mut Touches) {
        for claim in &self.claims {
            touches.record(&claim.item);
            touches.record(&claim.hold);
        }
    }

    fn validity(&self) -> RangeInclusive<Timestamp> {
        self.terms.honour(self.driven_since)
    }

    fn decide(&self, view: &mut View) -> ReserveAnswer {
        let earlier = self.claims.iter().filter_map(|claim| self.earlier_refusal(view, claim));
        if let Some(answer) = first_refusal(earlier) {
            return answer;
        }
        let new: Vec<&Claim> = self
            .claims
            .iter()
            .filter(|claim| view.get(&claim.hold).is_none())
            .collect();
        if let Some((claim, refusal)) = new
            .iter()
            .find_map(|claim| Some((claim, refusal(view, claim, self.has_room)?)))
        {
            let answer = refusal_of(&refusal, claim);
            view.put_expiring(&claim.hold, refusal, self.terms.kept());
            return answer;
        }
        for claim in new {
            self.take(view, claim);
        }
        ReserveAnswer::Reserved
    }
}

/// Why the claim cannot be granted now.
fn refusal(view: &View, claim: &Claim, has_room: bool) -> Option<Hold> {
    match view.get(&claim.item) {
        None => Some(Hold::ItemGone),
        Some(item) if item.stock < claim.quantity => Some(Hold::OutOfStock { left: item.stock }),
        Some(_) if !has_room => Some(Hold::NoRoom),
        Some(_) => None,
    }
}

fn refusal_of(hold: &Hold, claim: &Claim) -> ReserveAnswer {
    let item_id = claim.item_id.clone();
    match hold {
        Hold::Held { .. } => ReserveAnswer::Mismatch { item_id },
        Hold::OutOfStock { left } => ReserveAnswer::OutOfStock { item_id, left: *left },
        Hold::ItemGone => ReserveAnswer::ItemGone { item_id },
        Hold::NoRoom => ReserveAnswer::StoreFull,
        Hold::Released { .. } => ReserveAnswer::Undone,
    }
}

/// Which of a saga's refusals was its first: the claims that were granted beside one that was refused are undone after
/// it, so `Undone` is a refusal's trace wherever there is another. What needs a person comes before everything.
///
/// Returns `None` if nothing was refused.
pub(crate) fn first_refusal(answers: impl IntoIterator<Item = ReserveAnswer>) -> Option<ReserveAnswer> {
    answers
        .into_iter()
        .filter(|answer| *answer != ReserveAnswer::Reserved)
        .min_by_key(|answer| match answer {
            ReserveAnswer::Mismatch { .. } => 0,
            ReserveAnswer::Undone => 2,
            _ => 1,
        })
}

impl ReserveClaims {
    /// The answer that the claim got before, if that was a refusal, or is one for the asker.
    fn earlier_refusal(&self, view: &View, claim: &Claim) -> Option<ReserveAnswer> {
        match view.get(&claim.hold)? {
            Hold::Held {
                quantity, fingerprint, ..
            } if *quantity == claim.quantity && *fingerprint == self.fingerprint => None,
            refusal => Some(refusal_of(refusal, claim)),
        }
    }

    fn take(&self, view: &mut View, claim: &Claim) {
        let taken = view.get(&claim.item).and_then(|item| {
            Some(Item {
                stock: item.stock.checked_sub(claim.quantity)?,
                serial: item.serial + 1,
                ..item.clone()
            })
        });
        // `refusal` has seen that the item is there and has enough.
        if let Some(item) = taken {
            let held = Hold::Held {
                quantity: claim.quantity,
                since: item.serial,
                fingerprint: self.fingerprint,
            };
            view.put(&claim.item, item);
            view.put(&claim.hold, held);
        }
    }
}
