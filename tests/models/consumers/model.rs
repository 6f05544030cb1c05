//! Two consumers of a group on one partition: what they and the bus do, and what is promised.

use stateright::{Model, Property};

/// The subject of each entry; it holds one event.
const SUBJECTS: [char; 3] = ['a', 'b', 'a'];
const ENTRIES: usize = SUBJECTS.len();
const CONSUMERS: usize = 2;

pub(super) const NEVER_SKIPPED: &str = "what is acknowledged was handled, or is a dead letter";
const NOWHERE: &str = "what was read is acknowledged, or is pending";
pub(super) const IN_ORDER: &str = "no event is handled before the one before it in its subject is settled";
const ALL_DONE: &str = "every event can be handled and acknowledged";
const BURIED: &str = "an event can become a dead letter and the next one be handled";
const BOTH_OWN: &str = "both consumers work on the partition";

#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each rule is there, or is not")]
pub(super) struct Rules {
    /// An entry is acknowledged once it was handled, and not when it was read.
    pub(super) acknowledges_after_the_handler: bool,
    /// A dead letter is written before its entry is acknowledged.
    pub(super) writes_the_letter_first: bool,
    /// An event waits for the one before it in its subject.
    pub(super) keeps_subjects_in_order: bool,
    /// A new owner takes what is pending before it reads what is new.
    pub(super) takes_over_first: bool,
    /// So does one whose read broke: the bus may have delivered what nobody got.
    pub(super) looks_for_what_a_broken_read_brought: bool,
    /// The bus reads for nobody but the owner by its own word.
    pub(super) reads_for_the_owner_alone: bool,
    /// A lease that has ended is not renewed: another consumer may have had the partition since.
    pub(super) renews_only_what_is_its_own: bool,
}

pub(super) const CONSUMER: Rules = Rules {
    acknowledges_after_the_handler: true,
    writes_the_letter_first: true,
    keeps_subjects_in_order: true,
    takes_over_first: true,
    looks_for_what_a_broken_read_brought: true,
    reads_for_the_owner_alone: true,
    renews_only_what_is_its_own: true,
};

/// What a consumer knows of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Held {
    #[default]
    Not,
    /// Its event is neither handled nor a dead letter.
    Waiting,
    /// It is, or will be.
    Settled,
    /// It was acknowledged, and its dead letter is not written yet. Only without the rule.
    Owed,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Consumer {
    /// Whether it believes that it owns the partition.
    works: bool,
    /// From which entry on it still has to take what is pending; none if it has.
    takes_from: Option<usize>,
    hand: [Held; ENTRIES],
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct State {
    /// How many entries the group was given.
    read: usize,
    pending: [bool; ENTRIES],
    handled: [bool; ENTRIES],
    letters: [bool; ENTRIES],
    /// Who owns the partition by the bus's word.
    owner: Option<usize>,
    consumers: [Consumer; CONSUMERS],
    broke_the_order: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// The lease ends; whoever had it may notice late.
    Expire,
    Own(usize),
    /// Without the rule: as if its lease had never ended.
    Renew(usize),
    /// Gives up what another has by now.
    Notice(usize),
    Crash(usize),
    /// Takes the next pending entry, or finds that there is none.
    TakeOver(usize),
    /// The answer may be lost, here and below.
    Read(usize, Answer),
    Handle(usize, usize),
    Bury(usize, usize, Answer),
    /// Without the rule: the letter that is owed.
    WriteLetter(usize, usize),
    Acknowledge(usize, usize, Answer),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Heard,
    Lost,
}

use Answer::{Heard, Lost};

impl Model for Rules {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::default()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.owner.is_some() {
            actions.push(Action::Expire);
        }
        for (who, consumer) in state.consumers.iter().enumerate() {
            if !consumer.works {
                actions.extend(state.owner.is_none().then_some(Action::Own(who)));
                continue;
            }
            actions.extend([Action::Crash(who), Action::TakeOver(who)]);
            actions.extend([Action::Read(who, Heard), Action::Read(who, Lost)]);
            actions.extend((state.owner != Some(who)).then_some(Action::Notice(who)));
            if !self.renews_only_what_is_its_own && state.owner.is_none() {
                actions.push(Action::Renew(who));
            }
            for entry in 0..ENTRIES {
                match consumer.hand[entry] {
                    Held::Not => {}
                    Held::Waiting => actions.extend([
                        Action::Handle(who, entry),
                        Action::Bury(who, entry, Heard),
                        Action::Bury(who, entry, Lost),
                    ]),
                    Held::Settled => actions.extend([
                        Action::Acknowledge(who, entry, Heard),
                        Action::Acknowledge(who, entry, Lost),
                    ]),
                    Held::Owed => actions.push(Action::WriteLetter(who, entry)),
                }
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Expire => state.owner = None,
            Action::Renew(who) => state.owner = Some(who),
            Action::Own(who) => {
                state.owner = Some(who);
                let takes_from = self.takes_over_first.then_some(0);
                state.consumers[who] = Consumer {
                    works: true,
                    takes_from,
                    ..Consumer::default()
                };
            }
            Action::Notice(who) | Action::Crash(who) => state.consumers[who] = Consumer::default(),
            Action::TakeOver(who) => state.take_over(who)?,
            Action::Read(who, answer) => self.read(&mut state, who, answer)?,
            Action::Handle(who, entry) => {
                self.begin(&state, who, entry)?;
                state.handle(entry);
                state.consumers[who].hand[entry] = Held::Settled;
            }
            Action::Bury(who, entry, answer) => {
                self.begin(&state, who, entry)?;
                if self.writes_the_letter_first {
                    state.letters[entry] = true;
                } else {
                    state.pending[entry] = false;
                }
                let held = if self.writes_the_letter_first {
                    Held::Settled
                } else {
                    Held::Owed
                };
                if answer == Heard {
                    state.consumers[who].hand[entry] = held;
                }
            }
            Action::WriteLetter(who, entry) => {
                state.letters[entry] = true;
                state.consumers[who].hand[entry] = Held::Not;
            }
            Action::Acknowledge(who, entry, answer) => {
                state.pending[entry] = false;
                if answer == Heard {
                    state.consumers[who].hand[entry] = Held::Not;
                }
            }
        }
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(NEVER_SKIPPED, |_, state: &State| {
                (0..state.read).all(|entry| state.pending[entry] || state.is_settled(entry))
            }),
            Property::always(NOWHERE, |_, state: &State| {
                (state.read..ENTRIES).all(|entry| !state.pending[entry] && !state.is_settled(entry))
            }),
            Property::always(IN_ORDER, |_, state: &State| !state.broke_the_order),
            Property::sometimes(ALL_DONE, |_, state: &State| {
                state.handled == [true; ENTRIES] && state.pending == [false; ENTRIES]
            }),
            Property::sometimes(BURIED, |_, state: &State| {
                state.letters[0] && !state.handled[0] && state.handled[2]
            }),
            Property::sometimes(BOTH_OWN, |_, state: &State| {
                let at_work = |consumer: &Consumer| consumer.hand.contains(&Held::Waiting);
                state.consumers.iter().all(at_work)
            }),
        ]
    }
}

impl Rules {
    /// An event's turn comes when nothing before it in its subject is left in the consumer's hand.
    fn begin(self, state: &State, who: usize, entry: usize) -> Option<()> {
        let hand = &state.consumers[who].hand;
        let waits = before(entry).any(|earlier| hand[earlier] == Held::Waiting);
        (!self.keeps_subjects_in_order || !waits)
            .then_some(())
            .filter(|()| hand[entry] == Held::Waiting)
    }

    fn read(self, state: &mut State, who: usize, answer: Answer) -> Option<()> {
        let entry = state.read;
        let may_read = !self.reads_for_the_owner_alone || state.owner == Some(who);
        if state.consumers[who].takes_from.is_some() || !may_read || entry == ENTRIES {
            return None;
        }
        state.read += 1;
        state.pending[entry] = self.acknowledges_after_the_handler;
        let consumer = &mut state.consumers[who];
        match answer {
            Heard => consumer.hand[entry] = Held::Waiting,
            Lost if self.looks_for_what_a_broken_read_brought => consumer.takes_from = Some(0),
            Lost => {}
        }
        Some(())
    }
}

/// The entries before this one with the same subject.
fn before(entry: usize) -> impl Iterator<Item = usize> {
    (0..entry).filter(move |earlier| SUBJECTS[*earlier] == SUBJECTS[entry])
}

impl State {
    fn is_settled(&self, entry: usize) -> bool {
        self.handled[entry] || self.letters[entry]
    }

    fn handle(&mut self, entry: usize) {
        let is_first = !self.is_settled(entry);
        self.broke_the_order |= is_first && before(entry).any(|earlier| !self.is_settled(earlier));
        self.handled[entry] = true;
    }

    /// A page of one entry. What is in hand already stays as it is.
    fn take_over(&mut self, who: usize) -> Option<()> {
        let from = self.consumers[who].takes_from?;
        let found = (from..ENTRIES).find(|entry| self.pending[*entry]);
        let consumer = &mut self.consumers[who];
        if let Some(entry) = found
            && consumer.hand[entry] == Held::Not
        {
            consumer.hand[entry] = Held::Waiting;
        }
        consumer.takes_from = found.map(|entry| entry + 1);
        Some(())
    }
}
