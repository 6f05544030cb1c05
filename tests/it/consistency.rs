//! The check that the public benchmark makes: 1,000 users of 1 credit, 100 pieces at 1, 1,000 checkouts at
//! once. Exactly 100 succeed, and the answers, the stock and the credit agree.

use futures::{StreamExt, future::join_all, stream};
use harness::{Client, Deployment, Setup};

const USERS: usize = 1_000;
const PIECES: usize = 100;
const ROUNDS: usize = 20;
/// How many calls prepare a round at once.
const SIDE_BY_SIDE: usize = 64;

/// One round, with its own item, users and orders.
pub(crate) async fn round(client: &Client, round: usize) {
    let item = client.item(1, i64::try_from(PIECES).expect("a small number")).await;
    let prepare = |_| async {
        let user = client.user(1).await;
        let order = client.order(&user, &[(&item, 1)]).await;
        (user, order)
    };
    let orders: Vec<(String, String)> = stream::iter(0..USERS)
        .map(prepare)
        .buffer_unordered(SIDE_BY_SIDE)
        .collect()
        .await;
    let answers = join_all(orders.iter().map(|(_, order)| client.checkout_decided(order))).await;

    let told_paid = answers.iter().filter(|answer| answer.status == 200).count();
    let told_refused = answers
        .iter()
        .filter(|answer| (400..500).contains(&answer.status))
        .count();
    assert_eq!(
        (told_paid, told_refused),
        (PIECES, USERS - PIECES),
        "round {round}: what the clients were told"
    );
    assert_eq!(client.stock(&item).await, 0, "round {round}: what is left of the stock");
    let state = |(index, (user, order)): (usize, &(String, String))| {
        let (user, order, told) = (user.clone(), order.clone(), answers[index].status == 200);
        async move { (told, client.is_paid(&order).await, client.credit(&user).await == 0) }
    };
    let states: Vec<_> = stream::iter(orders.iter().enumerate())
        .map(state)
        .buffer_unordered(SIDE_BY_SIDE)
        .collect()
        .await;
    let off = states
        .iter()
        .filter(|(told, paid, charged)| told != paid || paid != charged)
        .count();
    assert_eq!(off, 0, "round {round}: orders whose answer, record and credit disagree");
}

async fn rounds(replicas: usize) {
    let deployment = Deployment::start(Setup {
        replicas,
        ..Setup::default()
    })
    .await;
    for number in 0..ROUNDS {
        round(&deployment.client, number).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_pieces_are_sold_exactly_a_hundred_times() {
    rounds(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_pieces_are_sold_exactly_a_hundred_times_by_three_replicas_of_each_service() {
    rounds(3).await;
}
