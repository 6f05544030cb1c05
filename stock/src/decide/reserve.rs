use std::ops::RangeInclusive;

use shared::{
    amounts::Quantity,
    clock::Timestamp,
    engine::{Command, Touches, View},
    ids::ItemId,
    keys::{Key, Partition},
    protocol::{FINISHED_KEPT, ReserveAnswer, honoured},
};

use crate::record::{Hold, Item};

/// One saga's claim on one item.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The item's name, for the answer.
    pub item_id: ItemId,
    /// The item's counters.
    pub item: Key<Item>,
    /// What is known of the claim.
    pub hold: Key<Hold>,
    /// How many pieces: the sum of the saga's lines of this item.
    pub quantity: Quantity,
}

/// Reserves a saga's claims of one partition, all or none, at most once.
///
/// Repeating the command gives the first answer and moves no stock, also where the first answer was a
/// refusal: otherwise a duplicate that arrives after the saga was rejected would hold pieces for nobody.
/// A saga that was released before it reserved is refused for good.
#[derive(Debug)]
pub struct ReserveClaims {
    /// Where all the claims live.
    pub partition: Partition,
    /// When the asking driver took the saga.
    pub driven_since: Timestamp,
    /// The claims, each on another item.
    pub claims: Vec<Claim>,
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
        honoured(self.driven_since)
    }

    fn decide(&self, view: &mut View) -> ReserveAnswer {
        if let Some(answer) = self.claims.iter().find_map(|claim| earlier_refusal(view, claim)) {
            return answer;
        }
        let new: Vec<&Claim> = self
            .claims
            .iter()
            .filter(|claim| view.get(&claim.hold).is_none())
            .collect();
        if let Some((claim, refusal)) = new.iter().find_map(|claim| Some((claim, refusal(view, claim)?))) {
            let answer = answer_of(&refusal, claim);
            view.put_expiring(&claim.hold, refusal, FINISHED_KEPT);
            return answer;
        }
        for claim in new {
            take(view, claim);
        }
        ReserveAnswer::Reserved
    }
}

/// The answer that the claim got before, where that was a refusal.
fn earlier_refusal(view: &View, claim: &Claim) -> Option<ReserveAnswer> {
    match view.get(&claim.hold)? {
        Hold::Held { .. } => None,
        refusal => Some(answer_of(refusal, claim)),
    }
}

/// Why the claim cannot be granted now.
fn refusal(view: &View, claim: &Claim) -> Option<Hold> {
    match view.get(&claim.item) {
        None => Some(Hold::ItemGone),
        Some(item) if item.stock < claim.quantity => Some(Hold::OutOfStock { left: item.stock }),
        Some(_) => None,
    }
}

fn answer_of(hold: &Hold, claim: &Claim) -> ReserveAnswer {
    let item_id = claim.item_id.clone();
    match hold {
        Hold::Held { .. } => ReserveAnswer::Reserved,
        Hold::OutOfStock { left } => ReserveAnswer::OutOfStock { item_id, left: *left },
        Hold::ItemGone => ReserveAnswer::ItemGone { item_id },
        Hold::Released { .. } => ReserveAnswer::Undone,
    }
}

fn take(view: &mut View, claim: &Claim) {
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
        };
        view.put(&claim.item, item);
        view.put(&claim.hold, held);
    }
}
