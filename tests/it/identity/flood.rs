//! Many wrong passwords at once.

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};

use super::{Identity, PASSWORD};

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_wrong_passwords_is_answered_in_time_within_bounded_memory() {
    const ASKED: usize = 5_000;
    // Each comparison takes 19 MiB, and as many run at once as there are processors.
    const MAX_BYTES: u64 = 600 * 1_024 * 1_024;
    let identity = Identity::start().await;
    identity.user("ann@shop.example").await;
    let started = Instant::now();
    let statuses: Vec<u16> = stream::iter(0..ASKED)
        .map(|number| {
            let (identity, email) = (&identity, ["ann@shop.example", "nobody@shop.example"][number % 2]);
            async move { identity.try_log_in(email, "battery staple horse").await.status }
        })
        .buffer_unordered(500)
        .collect()
        .await;
    assert!(
        statuses.iter().all(|status| [401, 429].contains(status)),
        "{statuses:?}"
    );
    assert!(statuses.contains(&429), "more than may wait hear it at once");
    assert!(started.elapsed() < Duration::from_secs(60));
    let resident = identity.service.process.resident_bytes();
    assert!(resident < MAX_BYTES, "{resident} bytes");
    let session = harness::eventually("there is room again", async || {
        let answer = identity.try_log_in("ann@shop.example", PASSWORD).await;
        (answer.status == 201).then_some(answer)
    })
    .await;
    assert!(!session.text("access_token").is_empty());
}
