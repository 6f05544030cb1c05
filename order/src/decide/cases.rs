//! Single runs of the commands, in the world of the properties.

use domain::{Credits, ItemId, OrderId, Quantity, SagaId};
use engine::Repeatable;
use saga::Line;

use super::{AddItem, Begin, Begun, CancelOutcome, Course, FinishOutcome, TakeOverOutcome, Verdict, world::World};
use crate::{
    problems::Refusal,
    record::{MAX_LINES, Rejection, Status},
};

#[test]
fn a_second_checkout_joins_the_first_and_a_paid_order_stays_paid() {
    let mut world = World::new();
    let Begun::ByCaller(saga) = world.begin(0) else {
        unreachable!("an open order with a line");
    };
    assert_eq!(world.begin(0), Begun::Before(saga.id.attempt));
    assert_eq!(world.add_item(0), Err(Refusal::BeingCheckedOut(OrderId::numbered(0))));
    assert_eq!(world.finish(&saga, Verdict::Paid), FinishOutcome::Finished);
    assert_eq!(world.begin(0), Begun::AlreadyPaid(saga.id.attempt));
    assert_eq!(world.add_item(0), Err(Refusal::AlreadyPaid(OrderId::numbered(0))));
}

#[test]
fn a_saga_is_left_alone_for_its_lease_and_given_up_after_its_deadline() {
    let mut world = World::new();
    world.begin(0);
    let first = world.drivers[0].clone();
    assert_eq!(world.take_over(&first), TakeOverOutcome::NotYet);
    world.set_clock(world.now + 5);
    assert!(matches!(world.take_over(&first), TakeOverOutcome::Taken(saga, Course::Forward) if saga.epoch == 1));
    world.set_clock(world.now + 5);
    assert_eq!(
        world.take_over(&first),
        TakeOverOutcome::NotYet,
        "the second driver has twice as long"
    );
    world.set_clock(world.now + 15);
    let given_up = world.take_over(&first);
    assert!(
        matches!(given_up, TakeOverOutcome::Taken(saga, Course::Back(Rejection::DeadlinePassed)) if saga.epoch == 2)
    );
    assert_eq!(world.finish(&first, Verdict::Paid), FinishOutcome::Overtaken);
    let second = world.drivers[1].clone();
    assert_eq!(world.finish(&second, Verdict::Paid), FinishOutcome::Overtaken);
    let third = world.drivers[2].clone();
    // A saga that is being cancelled can no longer be paid, not even by its driver.
    assert_eq!(world.finish(&third, Verdict::Paid), FinishOutcome::Overtaken);
    assert_eq!(
        world.finish(&third, Verdict::Rejected(Rejection::DeadlinePassed)),
        FinishOutcome::Finished
    );
}

#[test]
fn a_driver_from_the_future_is_taken_over() {
    let mut world = World::new();
    world.set_clock(world.now + 1_000_000);
    world.begin(0);
    world.set_clock(world.now - 1_000_000);
    let ahead = world.drivers[0].clone();
    assert!(matches!(world.take_over(&ahead), TakeOverOutcome::Taken(saga, Course::Forward) if saga.epoch == 1));
}

#[test]
fn batch_init_leaves_an_order_alone_that_is_being_checked_out() {
    let mut world = World::new();
    world.begin(0);
    let before = world.order(0);
    assert_eq!(world.init(0), [0], "it is told which one stays");
    assert_eq!(world.order(0), before);
    let saga = world.drivers[0].clone();
    let first_saga = saga.clone();
    world.finish(&saga, Verdict::Paid);
    assert!(world.init(0).is_empty());
    assert_eq!(world.order(0).status, Status::Open { last_failure: None });
    assert_eq!(
        world.order(0).attempt,
        1,
        "the next saga must not find the first one's holds"
    );
    let sale = world.sale(&saga.id).expect("what was sold is still known");
    assert_eq!((sale.lines, sale.total), (saga.lines, saga.total));
    assert_eq!(
        world.take_over(&first_saga),
        TakeOverOutcome::Paid,
        "its holds are not settled"
    );
}

#[test]
fn sums_that_are_too_large_and_too_many_lines_are_refused() {
    let mut world = World::new();
    let order = world.keys.order(&OrderId::numbered(0));
    let dear = AddItem {
        order_id: OrderId::numbered(0),
        order: order.clone(),
        line: World::line(),
        price: Credits::MAX,
    };
    assert_eq!(world.run(&dear), Err(Refusal::Overflow(OrderId::numbered(0))));
    let line = Line {
        item_id: ItemId::numbered(0),
        quantity: Quantity::MAX,
    };
    let many_pieces = AddItem {
        order_id: OrderId::numbered(0),
        order,
        line,
        price: Credits::ZERO,
    };
    assert_eq!(world.run(&many_pieces), Err(Refusal::Overflow(OrderId::numbered(0))));
    for _ in 1..MAX_LINES {
        assert!(world.add_item(0).is_ok());
    }
    assert_eq!(world.add_item(0), Err(Refusal::TooManyLines));
}

#[test]
fn an_orders_record_does_not_grow_with_what_it_has_sold() {
    let mut world = World::new();
    let mut sizes = Vec::new();
    for attempt in 1..=20 {
        world.begin(0);
        let saga = world.drivers.last().expect("a driver").clone();
        assert_eq!(world.finish(&saga, Verdict::Paid), FinishOutcome::Finished);
        world.init(0);
        sizes.push(serde_json::to_string(&world.order(0)).expect("JSON").len());
        for earlier in 1..=attempt {
            let saga_id = SagaId {
                order: saga.id.order.clone(),
                attempt: earlier,
            };
            assert!(world.sale(&saga_id).is_some(), "{saga_id} of {attempt}");
        }
    }
    // The attempt and the number of events have a second digit in the end.
    assert!(sizes.last() <= sizes.first().map(|size| size + 2).as_ref(), "{sizes:?}");
}

#[test]
fn a_driver_whose_saga_was_begun_anew_for_something_else_changes_nothing() {
    let mut world = World::new();
    world.begin(0);
    let driver = world.drivers[0].clone();
    // The store loses the begin, and the client adds a line and checks out again.
    let mut lossy = World::new();
    lossy.add_item(0).expect("an open order");
    lossy.begin(0);
    let saga = lossy.drivers[0].clone();
    assert_eq!((&saga.id, saga.epoch), (&driver.id, driver.epoch), "the same name");
    let before = lossy.store.clone();
    assert_eq!(lossy.finish(&driver, Verdict::Paid), FinishOutcome::Overtaken);
    assert_eq!(lossy.cancel(&driver), CancelOutcome::Overtaken);
    assert_eq!(lossy.store, before);
    assert_eq!(lossy.finish(&saga, Verdict::Paid), FinishOutcome::Finished);
}

#[test]
fn a_store_that_is_nearly_full_begins_no_saga_and_still_tells_of_those_there_are() {
    let mut world = World::new();
    let begin = |world: &mut World, number| {
        let keys = world.keys.saga(&OrderId::numbered(number));
        world.run(&Begin {
            keys,
            is_keyed: false,
            has_room: false,
        })
    };
    assert_eq!(begin(&mut world, 0), Begun::Refused(Refusal::NoRoom));
    assert_eq!(world.order(0).attempt, 0);
    world.begin(0);
    let saga = world.drivers[0].clone();
    assert_eq!(begin(&mut world, 0), Begun::Before(saga.id.attempt));
    assert_eq!(world.finish(&saga, Verdict::Paid), FinishOutcome::Finished);
    assert_eq!(begin(&mut world, 0), Begun::AlreadyPaid(saga.id.attempt));
}

#[test]
fn why_a_saga_was_rejected_is_written_down_if_somebody_may_ask_for_it() {
    let world = |is_keyed| {
        let mut world = World::new();
        world.begin_as(0, is_keyed);
        // A request without a key may begin the saga, and another one with a key join it.
        world.begin_as(1, false);
        world.begin_as(1, is_keyed);
        for saga in world.drivers.clone() {
            world.finish(&saga, Verdict::Rejected(Rejection::UnknownUser));
        }
        world.begin(0);
        world.init(1);
        [0, 1].map(|number| {
            let saga_id = world.drivers[number].id.clone();
            world
                .store
                .record(&world.keys.rejection(&saga_id))
                .expect("a readable record")
        })
    };
    assert_eq!(
        world(true),
        [Some(Rejection::UnknownUser), Some(Rejection::UnknownUser)]
    );
    assert_eq!(world(false), [None, None]);
}

#[test]
fn a_request_that_found_no_room_may_begin_anew_and_any_other_hears_the_same() {
    let order_id = OrderId::numbered(0);
    assert_eq!(Begun::Refused(Refusal::NoRoom).kept(), None);
    for begun in [Begun::Before(3), Begun::Refused(Refusal::Empty(order_id))] {
        let kept = begun.kept().expect("it decided something");
        assert_eq!(Begun::repeated(kept), begun);
    }
    assert_eq!(Begun::AlreadyPaid(2).kept(), Begun::Before(2).kept());
}
