//! What an operator may ask of the bus, and do to it: how far the groups are, what they could not handle, and handling
//! it again.

mod dead;
mod groups;

use engine::store::connection::Connection;

pub use self::{
    dead::{DeadLetter, DeadLetterId, DeadLetters, Replayed},
    groups::{GroupStatus, groups, replay_from},
};
use crate::{BusError, TopicPartition, feed::topics};

/// All partitions of all topics that the bus knows.
async fn all_partitions(line: &mut Connection) -> Result<Vec<TopicPartition>, BusError> {
    let (counts, _) = topics(line).await?;
    let partitions = counts
        .into_iter()
        .flat_map(|(topic, count)| (0..count).map(move |number| topic.partition(number)));
    Ok(partitions.collect())
}
