//! The entries of one partition that are being handled, sorted by subject: no I/O, no clock.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use crate::{CloudEvent, replies::EntryId};

/// An entry that was read and is not yet acknowledged.
#[derive(Default)]
struct Held {
    /// How many of its events are not settled: handled, or a dead letter.
    left: usize,
    /// Whether any of them is.
    begun: bool,
    /// Whether one of its events may have killed consumers.
    is_suspect: bool,
}

/// An event whose turn it is.
pub(super) struct Next {
    pub(super) subject: Arc<str>,
    pub(super) event: Arc<CloudEvent>,
    /// What it is in.
    pub(super) entry: EntryId,
    /// Whether it may have killed consumers.
    pub(super) is_suspect: bool,
}

/// What is still begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    /// Everything.
    All,
    /// Only what is left of entries that were begun, so that nothing of them is handled again elsewhere.
    Rest,
    /// Nothing.
    Nothing,
}

/// The entries of one partition, and which event of each subject is next.
pub(super) struct Desk {
    entries: BTreeMap<EntryId, Held>,
    /// The events of each subject in order. The first is being handled, or its subject is in `ready`.
    subjects: HashMap<Arc<str>, VecDeque<(EntryId, Arc<CloudEvent>)>>,
    ready: VecDeque<Arc<str>>,
    begin: Begin,
}

impl Desk {
    pub(super) fn new() -> Self {
        Self {
            entries: BTreeMap::new(),
            subjects: HashMap::new(),
            ready: VecDeque::new(),
            begin: Begin::All,
        }
    }

    /// How many entries are not acknowledged.
    pub(super) fn held(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn holds(&self, id: EntryId) -> bool {
        self.entries.contains_key(&id)
    }

    /// Adds an entry behind all others. One that is there already is not added again.
    ///
    /// Returns whether nothing is left of it, as of one without events.
    pub(super) fn add(&mut self, id: EntryId, events: Vec<CloudEvent>) -> bool {
        if self.holds(id) {
            return false;
        }
        let left = events.len();
        let held = Held {
            left,
            ..Held::default()
        };
        self.entries.insert(id, held);
        for event in events {
            let subject: Arc<str> = event.subject.as_str().into();
            let waiting = self.subjects.entry(subject.clone()).or_default();
            if waiting.is_empty() {
                self.ready.push_back(subject);
            }
            waiting.push_back((id, Arc::new(event)));
        }
        left == 0
    }

    /// One of the entry's events may have killed consumers.
    pub(super) fn suspect(&mut self, id: EntryId) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.is_suspect = true;
        }
    }

    /// The next event to handle. Its subject waits until it is settled.
    pub(super) fn next(&mut self) -> Option<Next> {
        while let Some(subject) = self.ready.pop_front() {
            let Some((id, event)) = self.subjects.get(&subject).and_then(VecDeque::front) else {
                continue;
            };
            let held = self.entries.get(id);
            let may_begin = match self.begin {
                Begin::All => true,
                Begin::Rest => held.is_some_and(|entry| entry.begun),
                Begin::Nothing => false,
            };
            if may_begin {
                return Some(Next {
                    event: event.clone(),
                    entry: *id,
                    is_suspect: held.is_some_and(|entry| entry.is_suspect),
                    subject,
                });
            }
        }
        None
    }

    /// The event of this subject that was being handled is settled. Returns its entry if that was the last of it.
    pub(super) fn settled(&mut self, subject: &Arc<str>) -> Option<EntryId> {
        let waiting = self.subjects.get_mut(subject)?;
        let (id, _) = waiting.pop_front()?;
        if waiting.is_empty() {
            self.subjects.remove(subject);
        } else {
            self.ready.push_back(subject.clone());
        }
        let entry = self.entries.get_mut(&id)?;
        entry.left = entry.left.saturating_sub(1);
        entry.begun = true;
        (entry.left == 0).then_some(id)
    }

    /// These entries are acknowledged.
    pub(super) fn forget(&mut self, ids: &[EntryId]) {
        for id in ids {
            self.entries.remove(id);
        }
    }

    /// Begins no more than this from now on.
    pub(super) fn begin_only(&mut self, begin: Begin) {
        self.begin = begin;
    }
}

#[cfg(test)]
mod tests {
    use domain::ServiceName;
    use proptest::prelude::*;

    use super::*;
    use crate::Topic;

    fn events(subjects: &[&str]) -> Vec<CloudEvent> {
        let one = |subject: &&str| {
            let text = format!(r#"[{{"type":"order.paid","subject":"{subject}","sequence":1,"time":1,"data":{{}}}}]"#);
            let emitted = engine::parse_events(text.as_bytes()).expect("an entry").remove(0);
            CloudEvent::new(Topic::of(ServiceName::Order), emitted)
        };
        subjects.iter().map(one).collect()
    }

    fn id(millis: u64) -> EntryId {
        EntryId { millis, number: 0 }
    }

    fn begun(desk: &mut Desk) -> Vec<Arc<str>> {
        std::iter::from_fn(|| desk.next()).map(|next| next.subject).collect()
    }

    #[test]
    fn a_subject_that_is_not_settled_holds_back_itself_alone() {
        let mut desk = Desk::new();
        desk.add(id(1), events(&["a", "b", "a"]));
        desk.add(id(2), events(&["a", "c"]));
        let running = begun(&mut desk);
        assert_eq!(running.iter().map(AsRef::as_ref).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(desk.settled(&running[1]), None);
        assert_eq!(desk.settled(&running[2]), None);
        assert!(begun(&mut desk).is_empty());
        assert_eq!(desk.settled(&running[0]), None);
        assert_eq!(begun(&mut desk), running[..1]);
        assert_eq!(desk.settled(&running[0]), Some(id(1)));
        assert_eq!(begun(&mut desk), running[..1]);
        assert_eq!(desk.settled(&running[0]), Some(id(2)));
        assert_eq!(desk.held(), 2);
        desk.forget(&[id(1), id(2)]);
        assert_eq!((desk.held(), desk.subjects.len()), (0, 0));
    }

    #[test]
    fn an_entry_is_held_once_and_one_without_events_is_done_at_once() {
        let mut desk = Desk::new();
        assert!(desk.add(id(1), Vec::new()));
        assert!(!desk.add(id(2), events(&["a"])));
        assert!(!desk.add(id(2), events(&["a"])));
        assert_eq!(begun(&mut desk).len(), 1);
        assert_eq!(desk.settled(&"a".into()), Some(id(2)));
        assert!(begun(&mut desk).is_empty());
    }

    #[test]
    fn all_events_of_a_suspected_entry_are_suspects_and_no_others() {
        let mut desk = Desk::new();
        desk.add(id(1), events(&["a", "b"]));
        desk.add(id(2), events(&["c"]));
        desk.suspect(id(1));
        let suspects: Vec<bool> = std::iter::from_fn(|| desk.next()).map(|next| next.is_suspect).collect();
        assert_eq!(suspects, [true, true, false]);
    }

    #[test]
    fn at_the_end_only_the_rest_of_begun_entries_is_begun_or_nothing() {
        for (begin, expected) in [(Begin::Rest, 1), (Begin::Nothing, 0), (Begin::All, 2)] {
            let mut desk = Desk::new();
            desk.add(id(1), events(&["a", "a"]));
            assert_eq!(begun(&mut desk).len(), 1);
            desk.add(id(2), events(&["b"]));
            desk.begin_only(begin);
            desk.settled(&"a".into());
            assert_eq!(begun(&mut desk).len(), expected, "{begin:?}");
        }
    }

    proptest! {
        /// Whatever ends when, each subject's events are handled one at a time and in order, and each entry once all of it is.
        #[test]
        fn order_is_kept_within_subjects_whatever_ends_first(
            entries in prop::collection::vec(prop::collection::vec(0_usize..4, 0..5), 1..12),
            choices in prop::collection::vec(any::<prop::sample::Index>(), 60),
        ) {
            let names = ["a", "b", "c", "d"];
            let mut desk = Desk::new();
            let mut complete = Vec::new();
            for (number, subjects) in entries.iter().enumerate() {
                let mut all = events(&subjects.iter().map(|one| names[*one]).collect::<Vec<_>>());
                all.iter_mut().enumerate().for_each(|(at, event)| event.sequence = (number * 10 + at).to_string());
                if desk.add(id(number as u64), all) {
                    complete.push(id(number as u64));
                }
            }
            let (mut running, mut seen) = (Vec::new(), HashMap::<Arc<str>, u64>::new());
            for choice in choices {
                while let Some(Next { subject, event, .. }) = desk.next() {
                    prop_assert!(!running.contains(&subject));
                    let before = seen.insert(subject.clone(), event.number());
                    prop_assert!(before.is_none_or(|before| before < event.number()));
                    running.push(subject);
                }
                if running.is_empty() {
                    break;
                }
                let subject = running.swap_remove(choice.index(running.len()));
                complete.extend(desk.settled(&subject));
            }
            complete.sort_unstable();
            prop_assert_eq!(complete, (0..entries.len()).map(|number| id(number as u64)).collect::<Vec<_>>());
            prop_assert!(desk.subjects.is_empty());
        }
    }
}
