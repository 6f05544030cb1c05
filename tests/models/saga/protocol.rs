//! What the model's world consists of: the rules, the bounds, and the state.

use std::fmt;

use super::{driver::Driver, participants::Place};

/// The most attempts at the order in any scenario.
pub(super) const ATTEMPTS: usize = 2;
/// The most drives, of all attempts together, in any scenario.
pub(super) const DRIVES: usize = 4;
/// Where holds are kept: two items, each in a partition of its own, and the user's account.
pub(super) const PLACES: usize = 3;
/// Stock's places. What is left of [`PLACES`] is payment's.
pub(super) const ITEMS: [usize; 2] = [0, 1];
/// Payment's place.
pub(super) const ACCOUNT: usize = 2;

/// What the protocol demands. Each can be removed, to see what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// A release or refund that finds no hold leaves a tombstone.
    Tombstones,
    /// A refused reserve or charge leaves a tombstone, and repeating it is refused again.
    StickyRefusals,
    /// A reserve or charge that finds its saga's hold moves nothing.
    Idempotence,
    /// Cancel and finish compare the driver's epoch with the record's.
    Epoch,
    /// Cancel and finish compare the record's status.
    Status,
    /// Participants ignore requests of a drive that began too long ago.
    DriveAge,
    /// A saga's deadline is so short that every drive forward is too old to be heard before any tombstone of its
    /// saga expires.
    ShortDeadline,
    /// Stock releases a saga's other lines before it answers that one was refused.
    AllOrNone,
    /// Only a driver whose epoch is 0 and who asked each step once goes the short way after a refusal.
    Cleanliness,
    /// A release or refund leaves a settled hold alone.
    SettledStays,
    /// Holds are settled only once their order is paid.
    SettleOnlyPaid,
    /// A reserve or charge that finds its name's hold for something else is refused, and a release or refund leaves such a
    /// hold alone.
    Contents,
    /// Cancel and finish compare what the driver's saga is about with what the record says.
    ContentsInOrder,
    /// A reserve or charge that finds a tombstone writes it anew, so that it expires later. This and the next two are
    /// no part of the protocol: together, they are another way to get what the short deadline is for.
    RefusalsRenewed,
    /// A release or refund that finds a tombstone writes it anew, so that it expires later.
    UndoingsRenewed,
    /// Stock asks for the age again when it undoes a reserve's granted lines, and not only when the reserve arrives.
    DriveAgeInStock,
}

/// The rules that are in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rules(u32);

impl Rules {
    /// The protocol.
    pub(super) const fn protocol() -> Self {
        Self(u32::MAX)
            .without(Rule::RefusalsRenewed)
            .without(Rule::UndoingsRenewed)
            .without(Rule::DriveAgeInStock)
    }

    /// What the protocol would have to be if sagas could be driven forward at any age.
    pub(super) const fn any_deadline() -> Self {
        Self(u32::MAX).without(Rule::ShortDeadline)
    }

    pub(super) const fn without(self, rule: Rule) -> Self {
        Self(self.0 & !(1 << rule as u16))
    }

    pub(super) const fn have(self, rule: Rule) -> bool {
        self.0 & (1 << rule as u16) != 0
    }
}

/// What there is at first, and how much may happen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scenario {
    /// Where the one piece, or the money for one checkout, may go elsewhere and come back, at any time and as often
    /// as it likes. Everywhere else it stays.
    pub(super) varies: [bool; PLACES],
    /// How often the client may check the order out, up to [`ATTEMPTS`].
    pub(super) attempts: u8,
    /// How many drives there may be: begins and take-overs together, up to [`DRIVES`].
    pub(super) drives: u8,
    /// Whether time passes: drives grow old; tombstones and settled holds expire.
    pub(super) time: bool,
    /// Whether order's store may lose what it answered since before the last begin, once. The lines are then others.
    pub(super) loses: bool,
}

/// The protocol under these rules, in this scenario.
#[derive(Debug, Clone)]
pub(super) struct Checkout {
    pub(super) rules: Rules,
    pub(super) scenario: Scenario,
}

/// Everything that there is: the order's record, the drives with their requests and answers, the participants'
/// records, and what only the properties read (*ghosts*).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) order: Order,
    /// In the order in which they began. The first [`State::begun`] are real.
    pub(super) drives: [Drive; DRIVES],
    pub(super) begun: u8,
    /// How many drives are too old for the participants to hear them. Drives grow old in the order in which they
    /// began, a quarter of an hour later. A drive that begins when all earlier ones are old begins an *era*.
    pub(super) old: u8,
    pub(super) places: [Place; PLACES],
    /// Of which attempts a tombstone has expired already. Kept under [`Rule::ShortDeadline`].
    pub(super) late: [bool; ATTEMPTS],
    /// The attempt whose begin order's store has lost, with all that came after it; 0 if none.
    pub(super) lost: u8,
    /// Ghost: whether that attempt was paid.
    pub(super) lost_paid: bool,
    /// Ghost: how the attempts ended, as the clients heard.
    pub(super) told: [Announcement; ATTEMPTS],
}

/// The order's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Order {
    /// How often a checkout was begun.
    pub(super) attempt: u8,
    /// The present driver's number. The real record forgets it when the saga ends.
    pub(super) epoch: u8,
    pub(super) status: Status,
    pub(super) about: About,
}

/// What an attempt is about. Its name does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum About {
    First,
    /// What the lines are after the loss.
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Status {
    Open,
    CheckingOut,
    Cancelling,
    Paid,
}

/// What was said of an attempt's end. Both at once would be a contradiction, and is what a property looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Announcement {
    pub(super) paid: bool,
    pub(super) rejected: bool,
}

/// One drive: from its begin or take-over on, what its driver does, has sent and may hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Drive {
    /// Which attempt it drives, from 1.
    pub(super) attempt: u8,
    pub(super) epoch: u8,
    pub(super) about: About,
    pub(super) driver: Driver,
    /// The requests on the network. They stay: each may arrive any number of times, at any time, or never.
    pub(super) sent: Sent,
    /// What the places have answered to them, likewise.
    pub(super) answers: [Answers; PLACES],
}

/// Which requests a driver has sent. Sending one again changes nothing: it can arrive often anyway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Sent {
    /// Reserve (to both items) or charge, by place.
    pub(super) claims: [bool; PLACES],
    /// Release (to both items) or refund, by place.
    pub(super) undoings: [bool; PLACES],
}

/// What one place has answered to one drive: a set.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Answers(u8);

/// A place's answer to a drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Answer {
    /// The saga holds it: to a reserve or charge.
    Granted,
    /// There is too little: to a reserve or charge.
    Refused,
    /// The saga was released or refunded before: to a reserve or charge.
    Undone,
    /// Stock has released this granted line because the other one was refused: a part of a reserve.
    TakenBack,
    /// To a release or refund.
    Compensated,
}

impl Answers {
    pub(super) const NONE: Self = Self(0);

    pub(super) fn add(&mut self, answer: Answer) {
        self.0 |= 1 << answer as u8;
    }

    pub(super) fn remove(&mut self, answer: Answer) {
        self.0 &= !(1 << answer as u8);
    }

    pub(super) fn have(self, answer: Answer) -> bool {
        self.0 & (1 << answer as u8) != 0
    }

    /// Whether the place would not give what it was asked for.
    pub(super) fn have_a_refusal(self) -> bool {
        self.have(Answer::Refused) || self.have(Answer::Undone)
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Answer::{Compensated, Granted, Refused, TakenBack, Undone};
        let all = [Granted, Refused, Undone, TakenBack, Compensated];
        f.debug_set()
            .entries(all.into_iter().filter(|answer| self.have(*answer)))
            .finish()
    }
}

impl State {
    /// Before the first checkout.
    pub(super) const FIRST: Self = Self {
        order: Order {
            attempt: 0,
            epoch: 0,
            status: Status::Open,
            about: About::First,
        },
        drives: [Drive::NONE; DRIVES],
        begun: 0,
        old: 0,
        places: [Place::FULL; PLACES],
        late: [false; ATTEMPTS],
        lost: 0,
        lost_paid: false,
        told: [Announcement {
            paid: false,
            rejected: false,
        }; ATTEMPTS],
    };

    /// The drives that there were.
    pub(super) fn drive_numbers(&self) -> impl Iterator<Item = usize> + use<> {
        0..usize::from(self.begun)
    }

    /// Whether the drive began too long ago for the participants to hear it.
    pub(super) fn is_old(&self, drive: usize) -> bool {
        drive < usize::from(self.old)
    }

    /// Whether no drive is heard any more.
    pub(super) fn all_are_old(&self) -> bool {
        self.old == self.begun
    }
}

/// An attempt's place in arrays.
pub(super) fn index(attempt: u8) -> usize {
    usize::from(attempt.saturating_sub(1))
}
