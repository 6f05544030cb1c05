//! What may happen next, and what comes of it.

use stateright::{Model, Property};

use super::{
    driver::{Course, Driver, Word},
    participants::{Hold, Place},
    properties,
    protocol::{About, Answer, Checkout, Drive, ITEMS, Order, PLACES, Rule, State, Status, index},
};

/// One atomic step of somebody. Drives are named by their number, places by theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// The client checks the order out; its driver asks stock.
    Begin,
    /// A driver takes the saga over and sends its first requests.
    TakeOver(Course),
    /// A drive's reserve arrives at an item, or its charge at the account, and is decided.
    Claim { drive: usize, place: usize },
    /// A drive's release arrives at an item, or its refund at the account, and is decided.
    Undo { drive: usize, place: usize },
    /// Stock, on behalf of a drive's reserve, releases a line that was granted beside one that was refused.
    TakeBack { drive: usize, item: usize },
    /// A driver hears an answer and acts on it.
    Hear { drive: usize, word: Word },
    /// A driver hears nothing in time and asks again.
    AskAgain { drive: usize },
    /// A driver's cancel or finish reaches the order's record.
    Decide { drive: usize },
    /// Somebody's settle arrives.
    Settle { attempt: u8, place: usize },
    /// The oldest drive that participants still heard becomes too old.
    GrowOld,
    /// A tombstone or settled hold expires.
    Expire { attempt: u8, place: usize },
    /// Order's store loses what it answered since before the last begin, and the client changes the lines.
    Lose,
    /// Somebody else takes a piece or credit, or brings it.
    Vary { place: usize, by: i8 },
}

impl Model for Checkout {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::FIRST]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.orders_actions(state, actions);
        for drive in state.drive_numbers() {
            self.drives_actions(state, drive, actions);
            if state.drives[drive].may_ask_again() {
                actions.push(Action::AskAgain { drive });
            }
        }
        for place in 0..PLACES {
            actions.extend(self.variation(state, place).map(|by| Action::Vary { place, by }));
            for attempt in 1..=state.order.attempt {
                if self.may_settle(state, attempt) {
                    actions.push(Action::Settle { attempt, place });
                }
                if self.may_expire(state, attempt, place) {
                    actions.push(Action::Expire { attempt, place });
                }
            }
        }
        if self.may_lose(state) {
            actions.push(Action::Lose);
        }
        if self.scenario.time && state.old < state.begun {
            actions.push(Action::GrowOld);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        self.act(&mut state, action);
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all(self)
    }
}

impl Checkout {
    fn orders_actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.begun >= self.scenario.drives {
            return;
        }
        match state.order.status {
            Status::Open if state.order.attempt < self.scenario.attempts => actions.push(Action::Begin),
            Status::CheckingOut => {
                // A saga whose tombstones have expired is past its deadline, if that is short.
                if !state.late[index(state.order.attempt)] {
                    actions.push(Action::TakeOver(Course::Forward));
                }
                actions.push(Action::TakeOver(Course::Back));
            }
            Status::Cancelling => actions.push(Action::TakeOver(Course::Back)),
            Status::Open | Status::Paid => {}
        }
    }

    /// What a drive and the answers to it bring about, but for asking again.
    pub(super) fn drives_actions(&self, state: &State, number: usize, actions: &mut Vec<Action>) {
        let drive = &state.drives[number];
        for place in 0..PLACES {
            if drive.sent.claims[place] {
                actions.push(Action::Claim { drive: number, place });
            }
            if drive.sent.undoings[place] {
                actions.push(Action::Undo { drive: number, place });
            }
        }
        for item in ITEMS {
            let refused_beside = drive.answers[ITEMS[1 - item]].have_a_refusal();
            if self.rules.have(Rule::AllOrNone) && drive.answers[item].have(Answer::Granted) && refused_beside {
                actions.push(Action::TakeBack { drive: number, item });
            }
        }
        actions.extend(drive.words(self.rules).map(|word| Action::Hear { drive: number, word }));
        if matches!(drive.driver, Driver::Cancelling | Driver::Finishing { .. }) {
            actions.push(Action::Decide { drive: number });
        }
    }

    /// What somebody else may take or bring there.
    fn variation(&self, state: &State, place: usize) -> Option<i8> {
        let Place { left, supplied, .. } = state.places[place];
        match (self.scenario.varies[place], supplied) {
            (true, 0) => Some(1),
            (true, _) if left > 0 => Some(-1),
            _ => None,
        }
    }

    /// Whether anybody sends settle for the attempt.
    fn may_settle(&self, state: &State, attempt: u8) -> bool {
        let paid = state.order.status == Status::Paid && state.order.attempt == attempt;
        paid || !self.rules.have(Rule::SettleOnlyPaid)
    }

    /// Whether order's store may lose the last attempt. One that is settled was paid too long ago to be lost.
    fn may_lose(&self, state: &State) -> bool {
        let attempt = state.order.attempt;
        let is_settled = || state.places.iter().any(|place| place.hold(attempt) == Hold::Settled);
        self.scenario.loses && state.lost == 0 && attempt > 0 && !is_settled()
    }

    /// Whether a tombstone or settled hold may be as old as it can become: see the module [`saga`](super).
    fn may_expire(&self, state: &State, attempt: u8, place: usize) -> bool {
        let drive_forward_is_heard = || {
            let heard = &state.drives[usize::from(state.old)..usize::from(state.begun)];
            heard
                .iter()
                .any(|drive| drive.attempt == attempt && drive.sent.claims[ITEMS[0]])
        };
        self.scenario.time
            && state.places[place].hold(attempt).may_expire(state.all_are_old())
            && !(self.rules.have(Rule::ShortDeadline) && drive_forward_is_heard())
    }

    /// Does `action`, and forgets what can have no effect any more.
    pub(super) fn act(&self, state: &mut State, action: Action) {
        let stock_goes_on = !self.rules.have(Rule::DriveAgeInStock);
        match action {
            Action::Begin => {
                state.order.attempt += 1;
                state.order.epoch = 0;
                state.order.status = Status::CheckingOut;
                begin(state, Course::Forward);
            }
            Action::TakeOver(course) => {
                state.order.epoch += 1;
                if course == Course::Back {
                    state.order.status = Status::Cancelling;
                }
                begin(state, course);
            }
            Action::Claim { drive, place } if self.is_heard(state, drive) => {
                let Drive { attempt, about, .. } = state.drives[drive];
                let answer = state.places[place].claim(self.rules, attempt, about);
                state.drives[drive].answers[place].add(answer);
            }
            Action::Undo { drive, place } if self.is_heard(state, drive) => {
                let Drive { attempt, about, .. } = state.drives[drive];
                state.places[place].undo(self.rules, attempt, about);
                state.drives[drive].answers[place].add(Answer::Compensated);
            }
            Action::TakeBack { drive, item } if self.is_heard(state, drive) || stock_goes_on => {
                let Drive { attempt, about, .. } = state.drives[drive];
                state.places[item].undo(self.rules, attempt, about);
                state.drives[drive].answers[item].add(Answer::TakenBack);
            }
            Action::Claim { .. } | Action::Undo { .. } | Action::TakeBack { .. } => {}
            Action::Hear { drive, word } => state.drives[drive].hear(word, self.rules),
            Action::AskAgain { drive } => state.drives[drive].ask_again(),
            Action::Decide { drive } => self.decide(state, drive),
            Action::Settle { attempt, place } => state.places[place].settle(attempt),
            Action::GrowOld => state.old += 1,
            Action::Expire { attempt, place } => {
                state.places[place].expire(attempt);
                state.late[index(attempt)] = self.rules.have(Rule::ShortDeadline);
            }
            Action::Lose => lose(state),
            Action::Vary { place, by } => state.places[place].vary(by),
        }
        for number in state.drive_numbers() {
            let heard = self.is_heard(state, number);
            let overtaken = !self.is_driven_by(state, &state.drives[number]);
            state.drives[number].forget(heard, overtaken, self.rules);
        }
    }

    /// Whether participants still act on what the drive has sent. They ask this where they decide, not where a
    /// request arrives.
    fn is_heard(&self, state: &State, drive: usize) -> bool {
        !state.is_old(drive) || !self.rules.have(Rule::DriveAge)
    }

    /// Whether the order's record lets this drive change it.
    pub(super) fn is_driven_by(&self, state: &State, drive: &Drive) -> bool {
        let under_way = matches!(state.order.status, Status::CheckingOut | Status::Cancelling);
        state.order.attempt == drive.attempt
            && (state.order.epoch == drive.epoch || !self.rules.have(Rule::Epoch))
            && (under_way || !self.rules.have(Rule::Status))
            && (state.order.about == drive.about || !self.rules.have(Rule::ContentsInOrder))
    }

    /// The decisions cancel and finish.
    fn decide(&self, state: &mut State, number: usize) {
        let drive = state.drives[number];
        let driver = drive.driver;
        state.drives[number].driver = Driver::Gone;
        if !self.is_driven_by(state, &drive) {
            return;
        }
        let told = &mut state.told[index(drive.attempt)];
        let any_status = !self.rules.have(Rule::Status);
        match driver {
            Driver::Cancelling => {
                state.order.status = Status::Cancelling;
                state.drives[number].undo();
            }
            Driver::Finishing { paid: true } if state.order.status == Status::CheckingOut || any_status => {
                state.order.status = Status::Paid;
                told.paid = true;
            }
            Driver::Finishing { paid: false } => {
                state.order.status = Status::Open;
                told.rejected = true;
            }
            _ => {}
        }
    }
}

/// The record is as it was before the attempt began, and then somebody changes its lines.
fn lose(state: &mut State) {
    let attempt = state.order.attempt;
    state.lost = attempt;
    state.lost_paid = state.order.status == Status::Paid;
    state.told[index(attempt)] = State::FIRST.told[index(attempt)];
    state.order = Order {
        attempt: attempt - 1,
        about: About::Other,
        ..State::FIRST.order
    };
}

/// A new drive begins: the record has said so already.
fn begin(state: &mut State, course: Course) {
    if state.all_are_old() {
        state
            .places
            .iter_mut()
            .flat_map(|place| &mut place.holds)
            .for_each(Hold::age);
    }
    state.drives[usize::from(state.begun)] =
        Drive::new(state.order.attempt, state.order.epoch, state.order.about, course);
    state.begun += 1;
}
