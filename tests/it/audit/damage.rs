//! Every kind of damage that somebody can do by hand, and what the auditor says of it.

use harness::Audit;
use serde_json::{Value, json};

use super::fixture::{Fixture, finds};

fn add(record: &mut Value, field: &str, amount: i64) {
    record[field] = json!(record[field].as_i64().expect("a number") + amount);
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_that_do_not_add_up_are_named() {
    let fixture = Fixture::build().await;
    let (stock, payment, item, account) = (fixture.stock(), fixture.payment(), &fixture.item, &fixture.account);
    let before = Audit::of(&fixture.deployment).await;
    finds(&before, &[], "nothing is damaged");
    assert_eq!((before.orders, before.paid, before.in_flight), (5, 2, 2));
    assert_eq!((before.stock_holds, before.payment_holds), (3, 1));

    let off = [("unbalanced", item.as_str())];
    for (field, amount) in [("left", 1), ("left", -1), ("supplied", 1), ("supplied", -1)] {
        let edit = |record: &mut Value| add(&mut record["balance"], field, amount);
        fixture.edited(field, stock, item, edit, &off).await;
    }
    let off = [("unbalanced", account.as_str())];
    for field in ["left", "supplied"] {
        let edit = |record: &mut Value| add(&mut record["balance"], field, 1);
        fixture.edited(field, payment, account, edit, &off).await;
    }
    let edit = |record: &mut Value| record["balance"]["left"] = json!(-1);
    fixture
        .edited("a negative stock", stock, item, edit, &[("unreadable", item)])
        .await;
    fixture.is_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn holds_that_are_not_their_sagas_are_named() {
    let fixture = Fixture::build().await;
    let (stock, payment, item, account) = (fixture.stock(), fixture.payment(), &fixture.item, &fixture.account);
    let (held, charged) = (&fixture.paid.held, &fixture.paid.charged);
    let (under_way, refused) = (&fixture.under_way.held, &fixture.rejected.held);

    let missing = [("paid-without-hold", held.as_str())];
    fixture
        .damaged("a paid saga's hold deleted", stock, held, &["DEL", held], &missing)
        .await;
    let missing = [("paid-without-hold", charged.as_str())];
    fixture
        .damaged(
            "a paid saga's charge deleted",
            payment,
            charged,
            &["DEL", charged],
            &missing,
        )
        .await;
    let off = [("unbalanced", item.as_str())];
    fixture
        .damaged(
            "a hold of a saga under way deleted",
            stock,
            under_way,
            &["DEL", under_way],
            &off,
        )
        .await;

    let edit = |hold: &mut Value| hold["held"]["amount"] = json!(6);
    let off = [("wrong-amount", held.as_str()), ("unbalanced", item)];
    fixture.edited("a hold of more pieces", stock, held, edit, &off).await;
    let edit = |hold: &mut Value| hold["held"]["amount"] = json!(5);
    let off = [("wrong-amount", charged.as_str()), ("unbalanced", account)];
    fixture.edited("a charge of less", payment, charged, edit, &off).await;
    let edit = |hold: &mut Value| *hold = json!({"undone": {}});
    let off = [
        ("paid-but-undone", held.as_str()),
        ("never-expires", held),
        ("unbalanced", item),
    ];
    fixture
        .edited("a paid saga's hold released", stock, held, edit, &off)
        .await;

    let for_ever = [("never-expires", refused.as_str())];
    fixture
        .damaged("a tombstone for ever", stock, refused, &["PERSIST", refused], &for_ever)
        .await;
    fixture.is_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_say_something_else_than_their_holds_are_named() {
    let fixture = Fixture::build().await;
    let (orders, item, account) = (fixture.orders(), &fixture.item, &fixture.account);
    let (settled, paid, rejected) = (&fixture.settled.order, &fixture.paid, &fixture.rejected);
    let unbalanced = [("unbalanced", item.as_str()), ("unbalanced", account)];
    let entry = paid.entry();
    let orphans = [
        ("orphan-hold", paid.held.as_str()),
        ("orphan-hold", &paid.charged),
        ("orphan-entry", &entry),
    ];

    fixture
        .damaged(
            "a settled order deleted",
            orders,
            settled,
            &["DEL", settled],
            &unbalanced,
        )
        .await;
    fixture
        .damaged(
            "a paid order deleted",
            orders,
            &paid.order,
            &["DEL", &paid.order],
            &orphans,
        )
        .await;
    let edit = |order: &mut Value| order["status"] = json!({"open": {}});
    fixture
        .edited("a paid order opened again", orders, &paid.order, edit, &orphans)
        .await;
    let pay = |order: &mut Value| order["status"] = json!("paid");
    fixture
        .edited("an order paid by hand", orders, &fixture.open.order, pay, &unbalanced)
        .await;
    let off = [("paid-but-undone", rejected.held.as_str()), ("unbalanced", account)];
    fixture
        .edited("a rejected order paid by hand", orders, &rejected.order, pay, &off)
        .await;
    let edit = |order: &mut Value| order["total"] = json!(1);
    let off = [("unbalanced", account.as_str())];
    fixture
        .edited("a settled order's total changed", orders, settled, edit, &off)
        .await;
    fixture.is_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_off_is_named() {
    let fixture = Fixture::build().await;
    let orders = fixture.orders();
    let (paid, under_way) = (&fixture.paid, &fixture.under_way);

    let (index, saga) = (&under_way.index, &under_way.saga);
    let unlisted = [("unlisted", under_way.order.as_str())];
    fixture
        .damaged(
            "a saga under way taken off",
            orders,
            index,
            &["ZREM", index, saga],
            &unlisted,
        )
        .await;

    let (index, saga) = (&paid.index, &paid.saga);
    let mut never_settled = vec![("never-settled", paid.held.as_str()), ("never-settled", &paid.charged)];
    fixture
        .damaged(
            "a paid saga taken off",
            orders,
            index,
            &["ZREM", index, saga],
            &never_settled,
        )
        .await;
    never_settled.push(("unreadable", index));
    if under_way.index == *index {
        never_settled.extend(unlisted);
    }
    fixture
        .damaged(
            "an index of another type",
            orders,
            index,
            &["SET", index, "1"],
            &never_settled,
        )
        .await;

    let entry = format!("{saga}7");
    let orphan = format!("{index} {entry}");
    let insert = ["ZADD", index, "9999999999999", &entry];
    fixture
        .damaged(
            "an entry without a saga",
            orders,
            index,
            &insert,
            &[("orphan-entry", &orphan)],
        )
        .await;
    let nonsense = format!("{index} no saga");
    let insert = ["ZADD", index, "1", "no saga"];
    fixture
        .damaged(
            "an entry that is no saga",
            orders,
            index,
            &insert,
            &[("unreadable", &nonsense)],
        )
        .await;
    let overdue = paid.entry();
    let insert = ["ZADD", index, "-1", saga];
    fixture
        .damaged(
            "a saga that was never settled",
            orders,
            index,
            &insert,
            &[("overdue", &overdue)],
        )
        .await;

    let late = Audit::with(&fixture.deployment, &["--overdue-after", "0"]).await;
    finds(&late, &[("overdue", &under_way.entry())], "a saga that nobody drives");
    fixture.is_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_no_records_or_will_not_stay_are_named() {
    let fixture = Fixture::build().await;
    let (orders, stock, payment) = (fixture.orders(), fixture.stock(), fixture.payment());
    let (item, under_way) = (&fixture.item, &fixture.under_way.held);

    fixture
        .damaged(
            "half a record",
            stock,
            item,
            &["SET", item, "{"],
            &[("unreadable", item)],
        )
        .await;
    let stranger = [("unknown-key", "catalogue")];
    fixture
        .damaged(
            "a stranger's key",
            stock,
            "catalogue",
            &["SET", "catalogue", "1"],
            &stranger,
        )
        .await;
    let id = &item[item.rfind(':').expect("an id")..];
    let elsewhere = format!("item:{{zz}}{id}");
    let misplaced = [("misplaced", elsewhere.as_str())];
    fixture
        .damaged(
            "an item under another tag",
            stock,
            &elsewhere,
            &["COPY", item, &elsewhere],
            &misplaced,
        )
        .await;
    let on_nothing = [
        ("hold-on-nothing", item.as_str()),
        ("hold-on-nothing", &fixture.paid.held),
        ("hold-on-nothing", under_way),
    ];
    fixture
        .damaged("an item deleted", stock, item, &["DEL", item], &on_nothing)
        .await;
    for (redis, record) in [
        (stock, item),
        (payment, &fixture.account),
        (orders, &fixture.open.order),
        (stock, under_way),
    ] {
        let expires = [("would-expire", record.as_str())];
        fixture
            .damaged(
                "a record that would expire",
                redis,
                record,
                &["EXPIRE", record, "1000"],
                &expires,
            )
            .await;
    }
    fixture.is_whole().await;
}
