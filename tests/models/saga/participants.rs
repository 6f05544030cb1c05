//! Stock and payment: what their decisions do to their records.
//!
//! An item and an account follow the same rules, so both are a [`Place`]: what reserve and release do at an item,
//! charge and refund do at the account. The order's lines are one piece of each item, its total is one.

use super::protocol::{ATTEMPTS, About, Answer, Rule, Rules, index};

/// The records of one item, or of the user's account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// Stock, or credit.
    pub(super) left: i8,
    /// All that came in, less what others took.
    pub(super) supplied: i8,
    /// By attempt: what is known of the saga here.
    pub(super) holds: [Hold; ATTEMPTS],
    /// Ghost: the settled holds that have expired, by attempt.
    pub(super) sold: [i8; ATTEMPTS],
}

/// What a saga has here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Hold {
    Nothing,
    /// The piece, or the money, is taken for this.
    Held(About),
    /// A tombstone: there was too little.
    Refused(Written),
    /// A tombstone: undone.
    Released(Written),
    /// Sold, for good.
    Settled,
}

/// When a tombstone was written, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Written {
    /// In the present era: see [`State::old`](super::protocol::State::old).
    InThisEra,
    /// In an earlier one.
    Earlier,
}

impl Hold {
    /// Whether the saga has the piece, or the money.
    pub(super) fn takes(self) -> bool {
        matches!(self, Self::Held(_) | Self::Settled)
    }

    /// A new era begins.
    pub(super) fn age(&mut self) {
        match self {
            Self::Refused(written) | Self::Released(written) => *written = Written::Earlier,
            Self::Nothing | Self::Held(_) | Self::Settled => {}
        }
    }

    /// Whether this expires, and if so, whether it may do so in the era in which it was written.
    pub(super) fn may_expire(self, era_is_over: bool) -> bool {
        match self {
            Self::Nothing | Self::Held(_) => false,
            Self::Refused(Written::Earlier) | Self::Released(Written::Earlier) => true,
            Self::Refused(Written::InThisEra) | Self::Released(Written::InThisEra) | Self::Settled => era_is_over,
        }
    }
}

impl Place {
    /// One piece, or the money for one checkout.
    pub(super) const FULL: Self = Self {
        left: 1,
        supplied: 1,
        holds: [Hold::Nothing; ATTEMPTS],
        sold: [0; ATTEMPTS],
    };

    pub(super) fn hold(self, attempt: u8) -> Hold {
        self.holds[index(attempt)]
    }

    /// Reserve, or charge.
    pub(super) fn claim(&mut self, rules: Rules, attempt: u8, about: About) -> Answer {
        let hold = &mut self.holds[index(attempt)];
        match *hold {
            Hold::Released(_) => {
                if rules.have(Rule::RefusalsRenewed) {
                    *hold = Hold::Released(Written::InThisEra);
                }
                return Answer::Undone;
            }
            Hold::Refused(_) => {
                if rules.have(Rule::RefusalsRenewed) {
                    *hold = Hold::Refused(Written::InThisEra);
                }
                return Answer::Refused;
            }
            Hold::Held(other) if other != about && rules.have(Rule::Contents) => return Answer::Refused,
            Hold::Held(_) | Hold::Settled if rules.have(Rule::Idempotence) => return Answer::Granted,
            Hold::Held(_) | Hold::Settled | Hold::Nothing => {}
        }
        if self.left > 0 {
            self.left -= 1;
            *hold = Hold::Held(about);
            return Answer::Granted;
        }
        if rules.have(Rule::StickyRefusals) {
            *hold = Hold::Refused(Written::InThisEra);
        }
        Answer::Refused
    }

    /// Release, or refund.
    pub(super) fn undo(&mut self, rules: Rules, attempt: u8, about: About) {
        let hold = &mut self.holds[index(attempt)];
        match *hold {
            Hold::Settled if rules.have(Rule::SettledStays) => {}
            Hold::Held(other) if other != about && rules.have(Rule::Contents) => {}
            Hold::Held(_) | Hold::Settled => {
                self.left += 1;
                *hold = Hold::Released(Written::InThisEra);
            }
            Hold::Nothing if rules.have(Rule::Tombstones) => *hold = Hold::Released(Written::InThisEra),
            Hold::Released(_) if rules.have(Rule::UndoingsRenewed) => *hold = Hold::Released(Written::InThisEra),
            Hold::Refused(_) if rules.have(Rule::UndoingsRenewed) => *hold = Hold::Refused(Written::InThisEra),
            Hold::Nothing | Hold::Released(_) | Hold::Refused(_) => {}
        }
    }

    pub(super) fn settle(&mut self, attempt: u8) {
        let hold = &mut self.holds[index(attempt)];
        if matches!(hold, Hold::Held(_)) {
            *hold = Hold::Settled;
        }
    }

    /// Redis deletes a record that has expired.
    pub(super) fn expire(&mut self, attempt: u8) {
        let hold = &mut self.holds[index(attempt)];
        if *hold == Hold::Settled {
            self.sold[index(attempt)] += 1;
        }
        *hold = Hold::Nothing;
    }

    /// Somebody else takes something, or brings it.
    pub(super) fn vary(&mut self, by: i8) {
        self.left += by;
        self.supplied += by;
    }
}
