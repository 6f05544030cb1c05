use std::ops::RangeInclusive;

use domain::{SagaId, Timestamp};
use engine::{
    Command, Touches, View,
    keys::{Key, Partition},
};

use crate::{Balanced, Direction, Fingerprint, Hold, HoldKey, Movement, Refusal, Terms};

/// One saga's claim on one balance.
#[derive(Debug, Clone)]
pub struct Claim<B: Balanced> {
    /// The record with the balance.
    pub record: Key<B>,
    /// What is known of the claim.
    pub hold: HoldKey<B>,
    /// How much: the sum of what the saga asks of this balance.
    pub amount: B::Amount,
}

/// Takes a saga's claims of one partition, all or none, at most once.
///
/// Repeating the command gives the first answer and moves nothing, even if the first answer was a refusal: otherwise a
/// duplicate that arrives after the saga was rejected would hold something for nobody. A saga that was undone before it
/// took anything is refused for good. If the saga's name holds something else, nothing is taken and what is held stays.
#[derive(Debug)]
pub struct Take<B: Balanced> {
    /// Where all the claims live.
    pub partition: Partition,
    /// For how long requests count and records stay.
    pub terms: Terms,
    /// When the asking driver took the saga.
    pub driven_since: Timestamp,
    /// The saga.
    pub saga_id: SagaId,
    /// What the saga is about.
    pub fingerprint: Fingerprint,
    /// Whether the store has room for what is new.
    pub has_room: bool,
    /// The claims, each on another balance.
    pub claims: Vec<Claim<B>>,
}

/// A claim was not granted, and so none of its saga's claims in this partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denial<A> {
    /// Which claim it was, by its place among the claims.
    pub claim: usize,
    /// Why.
    pub reason: Reason<A>,
}

/// Why a claim was not granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason<A> {
    /// It was refused, now or when it first came.
    Refused(Refusal<A>),
    /// The saga was undone before.
    Undone,
    /// The saga's name holds something else.
    Mismatch,
}

impl<A> Reason<A> {
    /// Which of a saga's denials tells the most: the lowest.
    ///
    /// The claims that were granted beside one that was refused are undone after it, so `Undone` is a refusal's trace if
    /// there is another denial. What needs a person comes before everything.
    #[must_use]
    pub fn rank(&self) -> u8 {
        match self {
            Self::Mismatch => 0,
            Self::Refused(_) => 1,
            Self::Undone => 2,
        }
    }
}

impl<B: Balanced> Command for Take<B> {
    type Outcome = Result<(), Denial<B::Amount>>;

    fn partition(&self) -> Partition {
        self.partition
    }

    fn touches(&self, touches: &mut Touches) {
        for claim in &self.claims {
            touches.subject(&claim.record);
            touches.record(&claim.hold);
        }
    }

    fn validity(&self) -> RangeInclusive<Timestamp> {
        self.terms.drive_validity(self.driven_since)
    }

    fn decide(&self, view: &mut View) -> Self::Outcome {
        let claims = || self.claims.iter().enumerate();
        let earlier = claims().filter_map(|(place, claim)| Some((place, self.earlier_denial(view, claim)?)));
        if let Some((claim, reason)) = earlier.min_by_key(|(_, reason)| reason.rank()) {
            return Err(Denial { claim, reason });
        }
        let mut refused = claims().filter_map(|(place, claim)| Some((place, self.refusal(view, claim)?)));
        if let Some((claim, refusal)) = refused.next() {
            drop(refused);
            let hold = &self.claims[claim].hold;
            view.put_expiring(hold, Hold::Refused(refusal), self.terms.finished_retention.duration());
            let reason = Reason::Refused(refusal);
            return Err(Denial { claim, reason });
        }
        for claim in &self.claims {
            self.take(view, claim);
        }
        Ok(())
    }
}

impl<B: Balanced> Take<B> {
    /// Why the claim was not granted when it first came, or is none of the asker's.
    fn earlier_denial(&self, view: &View, claim: &Claim<B>) -> Option<Reason<B::Amount>> {
        match view.get(&claim.hold)? {
            Hold::Held {
                amount, fingerprint, ..
            } if *amount == claim.amount && *fingerprint == self.fingerprint => None,
            Hold::Held { .. } => Some(Reason::Mismatch),
            Hold::Refused(refusal) => Some(Reason::Refused(*refusal)),
            Hold::Undone { .. } => Some(Reason::Undone),
        }
    }

    /// Why a new claim cannot be granted.
    fn refusal(&self, view: &View, claim: &Claim<B>) -> Option<Refusal<B::Amount>> {
        if view.get(&claim.hold).is_some() {
            return None;
        }
        match view.get(&claim.record).map(|record| record.balance().left()) {
            None => Some(Refusal::NoBalance),
            Some(left) if left < claim.amount => Some(Refusal::TooLittle { left }),
            Some(_) if !self.has_room => Some(Refusal::NoRoom),
            Some(_) => None,
        }
    }

    /// Grants a claim, unless it is granted already.
    fn take(&self, view: &mut View, claim: &Claim<B>) {
        if view.get(&claim.hold).is_some() {
            return;
        }
        let taken = view.get(&claim.record).and_then(|record| {
            let balance = record.balance().take(claim.amount)?;
            Some((record.with(balance), balance.serial()))
        });
        // `refusal` has seen that the record is there and has enough.
        if let Some((record, since)) = taken {
            let held = Hold::Held {
                amount: claim.amount,
                since,
                fingerprint: self.fingerprint,
            };
            let movement = Movement {
                saga_id: &self.saga_id,
                amount: claim.amount,
                direction: Direction::Taken,
            };
            record.put_moved(view, &claim.record, &movement);
            view.put(&claim.hold, held);
        }
    }
}
