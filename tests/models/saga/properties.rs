//! What must hold in every state, and what must be possible.

use stateright::Property;

use super::{
    actions::Action,
    driver::{Course, Driver},
    participants::Hold,
    protocol::{About, Checkout, DRIVES, Drive, PLACES, State, Status, index},
};

pub(super) const BOOKS: &str = "the books balance";
pub(super) const PAID_IS_HELD: &str = "a paid order is reserved and charged, once, by the attempt that paid";
pub(super) const REJECTED_HOLDS_NOTHING: &str = "a rejected attempt holds nothing";
pub(super) const TOLD_IS_TRUE: &str = "what a client was told stays true";
pub(super) const HELD_FOR_ITS_OWN: &str =
    "what is paid is held for what it is about, also if order's store has lost it";
pub(super) const CAN_BE_FINISHED: &str = "every saga can still be finished";

pub(super) const PAID: &str = "an order is paid";
pub(super) const PAID_AFTER_TAKE_OVER: &str = "an order is paid after a take-over";
pub(super) const REJECTED: &str = "an attempt is rejected";
pub(super) const PAID_AT_LAST: &str = "an order is paid after a rejected attempt";
pub(super) const OVERTAKEN: &str = "a driver is overtaken";
pub(super) const REFUSED_FOR_ITS_NAME: &str = "a saga is refused because its name was paid for something else";
pub(super) const SETTLED_EXPIRED: &str = "all settled holds of a paid order have expired";

/// The properties that apply to the scenario.
pub(super) fn all(model: &Checkout) -> Vec<Property<Checkout>> {
    let mut properties = vec![
        Property::always(BOOKS, |_, state| books(state)),
        Property::always(PAID_IS_HELD, |_, state| paid_is_held(state)),
        Property::always(REJECTED_HOLDS_NOTHING, |_, state| rejected_holds_nothing(state)),
        Property::always(HELD_FOR_ITS_OWN, |_, state| held_for_its_own(state)),
        Property::always(TOLD_IS_TRUE, |_, state| told_is_true(state)),
        Property::always(CAN_BE_FINISHED, can_be_finished),
        Property::sometimes(PAID, |_, state| is_paid(state)),
        Property::sometimes(PAID_AFTER_TAKE_OVER, |_, state| is_paid(state) && state.order.epoch > 0),
        Property::sometimes(REJECTED, |_, state: &State| state.told[0].rejected),
        Property::sometimes(OVERTAKEN, |_, state: &State| {
            state.drives.iter().any(|drive| drive.driver == Driver::Overtaken)
        }),
    ];
    if model.scenario.attempts > 1 {
        properties.push(Property::sometimes(PAID_AT_LAST, |_, state| {
            is_paid(state) && state.told[0].rejected
        }));
    }
    if model.scenario.loses {
        properties.push(Property::sometimes(REFUSED_FOR_ITS_NAME, |_, state: &State| {
            state.lost_paid && state.told[index(state.lost)].rejected
        }));
    }
    if model.scenario.time {
        properties.push(Property::sometimes(SETTLED_EXPIRED, |_, state: &State| {
            state.places.iter().all(|place| place.sold[0] == 1)
        }));
    }
    properties
}

fn is_paid(state: &State) -> bool {
    state.order.status == Status::Paid
}

/// Whatever came in is there, held, or sold.
fn books(state: &State) -> bool {
    state.places.iter().all(|place| {
        let taken: i8 = place.holds.iter().map(|hold| i8::from(hold.takes())).sum();
        let sold: i8 = place.sold.iter().sum();
        place.left >= 0 && place.left + taken + sold == place.supplied
    })
}

/// Each place holds the paid saga's piece or money, or did until the settled hold expired; and nothing was ever sold
/// to another attempt.
fn paid_is_held(state: &State) -> bool {
    (0..state.told.len()).all(|attempt| {
        let paid = is_paid(state) && index(state.order.attempt) == attempt;
        state.places.iter().all(|place| {
            let has = i8::from(place.holds[attempt].takes()) + place.sold[attempt];
            if paid { has == 1 } else { place.sold[attempt] == 0 }
        })
    })
}

fn rejected_holds_nothing(state: &State) -> bool {
    let rejected = (0..state.told.len()).filter(|attempt| state.told[*attempt].rejected);
    let mut places = rejected.flat_map(|attempt| {
        // What was told of the lost attempt itself is forgotten with it.
        let is_lost_name = state.lost != 0 && attempt >= index(state.lost);
        let about = if is_lost_name { About::Other } else { About::First };
        state.places.iter().map(move |place| (place.holds[attempt], about))
    });
    !places.any(|(hold, about)| hold == Hold::Settled || hold == Hold::Held(about))
}

/// A paid order's places hold what it is about, and a paid attempt that order's store has lost keeps what it holds.
fn held_for_its_own(state: &State) -> bool {
    let holds = |attempt, about| {
        let mut holds = state.places.iter().map(move |place| place.hold(attempt));
        holds.all(|hold| !matches!(hold, Hold::Held(other) if other != about))
    };
    let lost_holds = || {
        state
            .places
            .iter()
            .all(|place| place.hold(state.lost) == Hold::Held(About::First))
    };
    (!is_paid(state) || holds(state.order.attempt, state.order.about)) && (!state.lost_paid || lost_holds())
}

/// Paid is paid for ever, and no attempt was both paid and rejected.
fn told_is_true(state: &State) -> bool {
    state.told.iter().enumerate().all(|(attempt, told)| {
        let still_paid = is_paid(state) && index(state.order.attempt) == attempt;
        !told.paid || still_paid && !told.rejected
    })
}

/// All drivers crash and the network falls silent; whichever way the saga is then taken over, its new driver brings
/// it to its end without any further fault.
fn can_be_finished(model: &Checkout, state: &State) -> bool {
    let courses: &[Course] = match state.order.status {
        Status::Open | Status::Paid => return true,
        Status::CheckingOut => &[Course::Forward, Course::Back],
        Status::Cancelling => &[Course::Back],
    };
    courses.iter().all(|course| {
        let mut state = *state;
        state.drives = [Drive::NONE; DRIVES];
        (state.begun, state.old) = (0, 0);
        model.act(&mut state, Action::TakeOver(*course));
        run_to_the_end(model, &mut state);
        let ended = match state.order.status {
            Status::Open => state.told[index(state.order.attempt)].rejected,
            Status::Paid => true,
            Status::CheckingOut | Status::Cancelling => false,
        };
        ended && paid_is_held(&state) && rejected_holds_nothing(&state)
    })
}

/// Does whatever the only drive brings about, for as long as it changes anything.
fn run_to_the_end(model: &Checkout, state: &mut State) {
    let mut actions = Vec::with_capacity(4 * PLACES);
    loop {
        let before = *state;
        model.drives_actions(&before, 0, &mut actions);
        for action in actions.drain(..) {
            model.act(state, action);
            if *state != before {
                break;
            }
        }
        if *state == before {
            return;
        }
    }
}
