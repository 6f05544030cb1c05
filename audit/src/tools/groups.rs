use bus::{
    Bus,
    feed::Position,
    operator::{groups, replay_from},
};
use indicatif::ProgressBar;

use super::table::{duration, table};

/// Prints how far each group is.
pub(super) async fn show(bus: &Bus, json: bool) -> anyhow::Result<()> {
    let found = groups(&mut bus.connect().await?).await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&found)?);
        return Ok(());
    }
    if found.is_empty() {
        println!("no group reads this bus");
        return Ok(());
    }
    let mut table = table(&["group", "topic", "lag", "pending", "oldest", "dead", "cut"]);
    for status in found {
        table.add_row([
            status.group,
            status.topic.to_owned(),
            status.lag.to_string(),
            status.pending.to_string(),
            duration(status.oldest_millis),
            status.dead.to_string(),
            status.cut.to_string(),
        ]);
    }
    println!("{table}");
    Ok(())
}

/// Lets a group handle everything again that came since a time.
pub(super) async fn replay(bus: &Bus, group: &str, from: Position) -> anyhow::Result<()> {
    let mut line = bus.connect().await?;
    let bar = ProgressBar::new(0);
    let replayed = replay_from(&mut line, group, from.time(), |done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    })
    .await?;
    bar.finish_and_clear();
    anyhow::ensure!(replayed > 0, "no group {group} reads this bus");
    println!("{group} is given the events of {replayed} partitions again");
    Ok(())
}
