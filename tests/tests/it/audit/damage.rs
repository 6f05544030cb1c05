//! Every kind of damage that somebody can do by hand, and what the auditor says of it.

use serde_json::{Value, json};
use tests::Audit;

use super::exhibit::{Exhibit, finds};

fn add(record: &mut Value, field: &str, amount: i64) {
    record[field] = json!(record[field].as_i64().expect("a number") + amount);
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_that_do_not_add_up_are_named() {
    let exhibit = Exhibit::build().await;
    let (stock, payment, item, account) = (exhibit.stock(), exhibit.payment(), &exhibit.item, &exhibit.account);
    let before = Audit::of(&exhibit.deployment).await;
    finds(&before, &[], "nothing is damaged");
    assert_eq!((before.orders, before.paid, before.in_flight), (5, 2, 2));
    assert_eq!((before.stock_holds, before.payment_holds), (3, 1));

    let off = [("unbalanced", item.as_str())];
    for (field, amount) in [("stock", 1), ("stock", -1), ("supplied", 1), ("supplied", -1)] {
        let edit = |record: &mut Value| add(record, field, amount);
        exhibit.edited(field, stock, item, edit, &off).await;
    }
    let off = [("unbalanced", account.as_str())];
    for field in ["credit", "funded"] {
        let edit = |record: &mut Value| add(record, field, 1);
        exhibit.edited(field, payment, account, edit, &off).await;
    }
    let edit = |record: &mut Value| record["stock"] = json!(-1);
    exhibit
        .edited("a negative stock", stock, item, edit, &[("unreadable", item)])
        .await;
    exhibit.is_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn holds_that_are_not_their_sagas_are_named() {
    let exhibit = Exhibit::build().await;
    let (stock, payment, item, account) = (exhibit.stock(), exhibit.payment(), &exhibit.item, &exhibit.account);
    let (held, charged) = (&exhibit.paid.held, &exhibit.paid.charged);
    let (under_way, refused) = (&exhibit.under_way.held, &exhibit.rejected.held);

    let missing = [("paid-without-hold", held.as_str())];
    exhibit
        .damaged("a paid saga's hold deleted", stock, held, &["DEL", held], &missing)
        .await;
    let missing = [("paid-without-hold", charged.as_str())];
    exhibit
        .damaged(
            "a paid saga's charge deleted",
            payment,
            charged,
            &["DEL", charged],
            &missing,
        )
        .await;
    let off = [("unbalanced", item.as_str())];
    exhibit
        .damaged(
            "a hold of a saga under way deleted",
            stock,
            under_way,
            &["DEL", under_way],
            &off,
        )
        .await;

    let edit = |hold: &mut Value| hold["held"]["quantity"] = json!(6);
    let off = [("wrong-amount", held.as_str()), ("unbalanced", item)];
    exhibit.edited("a hold of more pieces", stock, held, edit, &off).await;
    let edit = |hold: &mut Value| hold["charged"]["amount"] = json!(5);
    let off = [("wrong-amount", charged.as_str()), ("unbalanced", account)];
    exhibit.edited("a charge of less", payment, charged, edit, &off).await;
    let edit = |hold: &mut Value| *hold = json!({"released": {}});
    let off = [
        ("paid-but-undone", held.as_str()),
        ("never-expires", held),
        ("unbalanced", item),
    ];
    exhibit
        .edited("a paid saga's hold released", stock, held, edit, &off)
        .await;

    let for_ever = [("never-expires", refused.as_str())];
    exhibit
        .damaged("a tombstone for ever", stock, refused, &["PERSIST", refused], &for_ever)
        .await;
    exhibit.is_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_say_something_else_than_their_holds_are_named() {
    let exhibit = Exhibit::build().await;
    let (orders, item, account) = (exhibit.orders(), &exhibit.item, &exhibit.account);
    let (settled, paid, rejected) = (&exhibit.settled.order, &exhibit.paid, &exhibit.rejected);
    let unbalanced = [("unbalanced", item.as_str()), ("unbalanced", account)];
    let entry = paid.entry();
    let orphans = [
        ("orphan-hold", paid.held.as_str()),
        ("orphan-hold", &paid.charged),
        ("orphan-entry", &entry),
    ];

    exhibit
        .damaged(
            "a settled order deleted",
            orders,
            settled,
            &["DEL", settled],
            &unbalanced,
        )
        .await;
    exhibit
        .damaged(
            "a paid order deleted",
            orders,
            &paid.order,
            &["DEL", &paid.order],
            &orphans,
        )
        .await;
    let edit = |order: &mut Value| order["status"] = json!({"open": {}});
    exhibit
        .edited("a paid order opened again", orders, &paid.order, edit, &orphans)
        .await;
    let pay = |order: &mut Value| order["status"] = json!("paid");
    exhibit
        .edited("an order paid by hand", orders, &exhibit.open.order, pay, &unbalanced)
        .await;
    let off = [("paid-but-undone", rejected.held.as_str()), ("unbalanced", account)];
    exhibit
        .edited("a rejected order paid by hand", orders, &rejected.order, pay, &off)
        .await;
    let edit = |order: &mut Value| order["total"] = json!(1);
    let off = [("unbalanced", account.as_str())];
    exhibit
        .edited("a settled order's total changed", orders, settled, edit, &off)
        .await;
    exhibit.is_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_off_is_named() {
    let exhibit = Exhibit::build().await;
    let orders = exhibit.orders();
    let (paid, under_way) = (&exhibit.paid, &exhibit.under_way);

    let (index, saga) = (&under_way.index, &under_way.saga);
    let unlisted = [("unlisted", under_way.order.as_str())];
    exhibit
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
    exhibit
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
    exhibit
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
    exhibit
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
    exhibit
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
    exhibit
        .damaged(
            "a saga that was never settled",
            orders,
            index,
            &insert,
            &[("overdue", &overdue)],
        )
        .await;

    let late = Audit::with(&exhibit.deployment, &["--overdue-after", "0"]).await;
    finds(&late, &[("overdue", &under_way.entry())], "a saga that nobody drives");
    exhibit.is_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_no_records_or_will_not_stay_are_named() {
    let exhibit = Exhibit::build().await;
    let (orders, stock, payment) = (exhibit.orders(), exhibit.stock(), exhibit.payment());
    let (item, under_way) = (&exhibit.item, &exhibit.under_way.held);

    exhibit
        .damaged(
            "half a record",
            stock,
            item,
            &["SET", item, "{"],
            &[("unreadable", item)],
        )
        .await;
    let stranger = [("unknown-key", "catalogue")];
    exhibit
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
    exhibit
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
        ("hold-on-nothing", &exhibit.paid.held),
        ("hold-on-nothing", under_way),
    ];
    exhibit
        .damaged("an item deleted", stock, item, &["DEL", item], &on_nothing)
        .await;
    for (redis, record) in [
        (stock, item),
        (payment, &exhibit.account),
        (orders, &exhibit.open.order),
        (stock, under_way),
    ] {
        let expires = [("would-expire", record.as_str())];
        exhibit
            .damaged(
                "a record that would expire",
                redis,
                record,
                &["EXPIRE", record, "1000"],
                &expires,
            )
            .await;
    }
    exhibit.is_whole().await;
}
