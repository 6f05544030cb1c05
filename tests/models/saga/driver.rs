//! The driver: what it waits for, and where an answer takes it.
//!
//! The control flow of `order/src/saga.rs`. A driver that crashes is one that takes no further step, and no
//! driver has to: crashes need no action of their own.

use super::protocol::{ACCOUNT, About, Answer, Answers, Drive, ITEMS, PLACES, Rule, Rules, Sent};

/// Where a driver stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Driver {
    /// Waits for stock's answer to reserve. `once`: every step so far was asked once.
    Reserving { once: bool },
    /// Waits for payment's answer to charge.
    Charging { once: bool },
    /// The clean path after a refused charge: waits for stock's answer to release.
    Releasing,
    /// Is about to set the record to `cancelling`.
    Cancelling,
    /// Waits for stock's answer to release, and payment's to refund.
    Undoing,
    /// Is about to finish the saga.
    Finishing { paid: bool },
    /// Wanted to change the order's record, which would not let it: the driver stops.
    Overtaken,
    /// Has finished, or waits for an answer that cannot come any more, or never was.
    Gone,
}

/// What a participant says to a driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Word {
    /// Reserved, or charged.
    Done,
    Refused,
    Undone,
    /// Released; or released and refunded, if the driver waits for both.
    Compensated,
}

/// Which way a take-over drives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Course {
    Forward,
    Back,
}

impl Drive {
    /// The place of a drive that has not begun, or whose rest can have no effect.
    pub(super) const NONE: Self = Self {
        attempt: 0,
        epoch: 0,
        about: About::First,
        driver: Driver::Gone,
        sent: Sent {
            claims: [false; PLACES],
            undoings: [false; PLACES],
        },
        answers: [Answers::NONE; PLACES],
    };

    pub(super) fn new(attempt: u8, epoch: u8, about: About, course: Course) -> Self {
        let mut drive = Self {
            attempt,
            epoch,
            about,
            ..Self::NONE
        };
        match course {
            Course::Forward => drive.reserve(),
            // The take-over has found or set the record `cancelling`, so the driver's own cancel finds that done.
            Course::Back => drive.undo(),
        }
        drive
    }

    /// All that the driver may hear now.
    pub(super) fn words(&self, rules: Rules) -> impl Iterator<Item = Word> + use<> {
        let drive = *self;
        [Word::Done, Word::Refused, Word::Undone, Word::Compensated]
            .into_iter()
            .filter(move |word| drive.may_hear(*word, rules))
    }

    fn may_hear(&self, word: Word, rules: Rules) -> bool {
        let refusal = match word {
            Word::Done => Answer::Granted,
            Word::Refused => Answer::Refused,
            Word::Undone => Answer::Undone,
            Word::Compensated => Answer::Compensated,
        };
        match self.driver {
            Driver::Reserving { .. } => match word {
                Word::Done => ITEMS.iter().all(|item| self.answers[*item].have(Answer::Granted)),
                Word::Refused | Word::Undone => ITEMS
                    .iter()
                    .any(|item| self.answers[*item].have(refusal) && self.is_refused_beside(ITEMS[1 - *item], rules)),
                Word::Compensated => false,
            },
            Driver::Charging { .. } => word != Word::Compensated && self.answers[ACCOUNT].have(refusal),
            Driver::Releasing => word == Word::Compensated && ITEMS.iter().all(|item| self.has_compensated(*item)),
            Driver::Undoing => {
                word == Word::Compensated && ITEMS.iter().chain([&ACCOUNT]).all(|place| self.has_compensated(*place))
            }
            Driver::Cancelling | Driver::Finishing { .. } | Driver::Overtaken | Driver::Gone => false,
        }
    }

    /// Whether stock may answer with a refusal as far as `other`, the line that was not refused or not it alone,
    /// is concerned.
    fn is_refused_beside(&self, other: usize, rules: Rules) -> bool {
        let answers = self.answers[other];
        let undone_or_need_not_be = answers.have(Answer::TakenBack) || !rules.have(Rule::AllOrNone);
        answers.have_a_refusal() || answers.have(Answer::Granted) && undone_or_need_not_be
    }

    fn has_compensated(&self, place: usize) -> bool {
        self.answers[place].have(Answer::Compensated)
    }

    /// The driver hears an answer and acts on it.
    pub(super) fn hear(&mut self, word: Word, rules: Rules) {
        let short_way = |once| once && self.epoch == 0 || !rules.have(Rule::Cleanliness);
        match (self.driver, word) {
            (Driver::Reserving { once }, Word::Done) => {
                self.driver = Driver::Charging { once };
                self.sent.claims[ACCOUNT] = true;
            }
            (Driver::Reserving { once }, Word::Refused) if short_way(once) => {
                self.driver = Driver::Finishing { paid: false };
            }
            (Driver::Charging { .. }, Word::Done) => self.driver = Driver::Finishing { paid: true },
            (Driver::Charging { once }, Word::Refused) if short_way(once) => {
                self.driver = Driver::Releasing;
                self.sent.undoings = [true, true, false];
            }
            (Driver::Reserving { .. } | Driver::Charging { .. }, _) => self.driver = Driver::Cancelling,
            (Driver::Releasing | Driver::Undoing, _) => self.driver = Driver::Finishing { paid: false },
            (Driver::Cancelling | Driver::Finishing { .. } | Driver::Overtaken | Driver::Gone, _) => {}
        }
    }

    /// Whether the driver may lose its patience and ask again, to any effect.
    pub(super) fn may_ask_again(&self) -> bool {
        // Only the first driver's cleanliness is at stake, and the requests are on the network for good.
        let once = matches!(
            self.driver,
            Driver::Reserving { once: true } | Driver::Charging { once: true }
        );
        once && self.epoch == 0
    }

    pub(super) fn ask_again(&mut self) {
        match &mut self.driver {
            Driver::Reserving { once } | Driver::Charging { once } => *once = false,
            _ => {}
        }
    }

    fn reserve(&mut self) {
        // Later drivers are never clean: one state for them instead of two.
        self.driver = Driver::Reserving { once: self.epoch == 0 };
        self.sent.claims = [true, true, false];
    }

    /// Release and refund.
    pub(super) fn undo(&mut self) {
        self.driver = Driver::Undoing;
        self.sent.undoings = [true; PLACES];
    }

    /// Forgets what can have no effect any more, so that states that differ in nothing else are one.
    pub(super) fn forget(&mut self, heard: bool, overtaken: bool, rules: Rules) {
        let deciding = matches!(self.driver, Driver::Cancelling | Driver::Finishing { .. });
        if deciding && overtaken {
            self.driver = Driver::Overtaken;
        }
        let stock_is_done = !heard && rules.have(Rule::DriveAgeInStock);
        if !heard {
            self.sent = Self::NONE.sent;
            if stock_is_done && !deciding && self.words(rules).next().is_none() {
                *self = Self::NONE;
            }
        }
        let reserving = matches!(self.driver, Driver::Reserving { .. });
        for item in ITEMS {
            let answers = &mut self.answers[item];
            if reserving {
                continue;
            }
            answers.remove(Answer::TakenBack);
            // Stock needs to know only whether the line was granted and whether it was refused, and only to release
            // granted lines beside refused ones.
            if answers.have(Answer::Undone) {
                answers.remove(Answer::Undone);
                answers.add(Answer::Refused);
            }
            if stock_is_done || !rules.have(Rule::AllOrNone) {
                answers.remove(Answer::Granted);
                answers.remove(Answer::Refused);
            }
        }
        if !matches!(self.driver, Driver::Charging { .. }) {
            for answer in [Answer::Granted, Answer::Refused, Answer::Undone] {
                self.answers[ACCOUNT].remove(answer);
            }
        }
        if !matches!(self.driver, Driver::Releasing | Driver::Undoing) {
            for answers in &mut self.answers {
                answers.remove(Answer::Compensated);
            }
        }
    }
}
