//! A group on the stream of a partition: made, and made again when it is gone.

use engine::store::connection::error;
use metrics::counter;

use super::{Line, standing::labels};
use crate::{BusError, TopicPartition};

/// Whether Redis refused because the group, or the whole stream, is gone.
pub(super) fn is_missing(error: &BusError) -> bool {
    // UNBLOCKED is what a waiting read hears when its stream is deleted.
    matches!(error, BusError::Refused(cause) if cause.starts_with("NOGROUP") || cause.starts_with("UNBLOCKED"))
}

/// Makes the group where it is not there, so that it reads from the first entry on. Returns where it was not.
pub(super) async fn create(
    line: &Line,
    group: &str,
    partitions: &[TopicPartition],
) -> Result<Vec<TopicPartition>, BusError> {
    let keys: Vec<String> = partitions.iter().map(|partition| partition.stream_key()).collect();
    let replies = line
        .ask_all(|connection| {
            for key in &keys {
                let words = ["CREATE", key, group, "0", "MKSTREAM"];
                connection.queue("XGROUP", words.map(str::as_bytes));
            }
        })
        .await?;
    let mut created = Vec::new();
    for (partition, reply) in partitions.iter().zip(&replies) {
        match error(reply) {
            None => created.push(*partition),
            Some(cause) if cause.starts_with("BUSYGROUP") => {}
            Some(cause) => return Err(BusError::Refused(cause.to_owned())),
        }
    }
    Ok(created)
}

/// Makes the group again where somebody deleted it, or the bus came back empty.
pub(super) async fn mend(line: &Line, group: &str, partitions: &[TopicPartition]) {
    match create(line, group, partitions).await {
        Ok(created) => {
            for partition in created {
                tracing::warn!(group, %partition, "the group was gone; it is made again and begins at the first entry");
                let labels = labels(group, partition.topic);
                counter!("holdfast_consumer_groups_mended_total", &labels).increment(1);
            }
        }
        Err(cause) => tracing::warn!(group, %cause, "the group is gone and cannot be made again yet"),
    }
}
