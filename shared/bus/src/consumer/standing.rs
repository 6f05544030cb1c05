//! How far a group is, for whoever watches it.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use domain::Timestamp;
use engine::store::connection::Reply;
use metrics::gauge;

use super::{Line, lease};
use crate::{
    BusError, Topic, TopicPartition,
    replies::{EntryId, array, entry, field, number, text},
};

/// How far a group is in a partition.
pub(super) struct Standing {
    /// How many entries it has not acknowledged, as far as Redis can tell.
    pub(super) lag: u64,
    /// How many of them were delivered.
    pub(super) pending: u64,
    /// How long ago the oldest of them came.
    pub(super) age: Duration,
}

/// How far the group is in a partition.
pub(super) async fn standing(line: &Line, partition: TopicPartition, group: &str) -> Result<Standing, BusError> {
    let key = partition.stream_key();
    let replies = line
        .ask(|connection| {
            connection.queue("TIME", []);
            connection.queue("XPENDING", [key.as_bytes(), group.as_bytes()]);
            connection.queue("XINFO", ["GROUPS".as_bytes(), key.as_bytes()]);
        })
        .await?;
    let [time, pending, groups] =
        <[_; 3]>::try_from(replies).map_err(|_| BusError::Strange("not as many answers as questions"))?;
    let now = lease::time(time)?;
    let named = |one: &Reply| field(one, "name").and_then(text).as_deref() == Some(group);
    let found = array(groups).into_iter().find(named);
    let found = found.ok_or_else(|| BusError::Refused("NOGROUP in XINFO".into()))?;
    let mut summary = array(pending).into_iter();
    let pending = summary.next().and_then(number).unwrap_or_default();
    let mut oldest = summary.next().and_then(text);
    // Redis cannot tell the lag after some deletions.
    let unread = field(&found, "lag").and_then(number).unwrap_or_default();
    if oldest.is_none() && unread > 0 {
        let last = field(&found, "last-delivered-id").and_then(text).unwrap_or_default();
        let start = format!("({last}");
        let words = [&key, &*start, "+", "COUNT", "1"];
        let first = line
            .ask_one(|connection| connection.queue("XRANGE", words.map(str::as_bytes)))
            .await?;
        oldest = array(first)
            .into_iter()
            .next()
            .and_then(entry)
            .map(|entry| entry.id.to_string());
    }
    let came = oldest.as_deref().and_then(EntryId::parse);
    let age = came.map(|id| now.since(Timestamp::from_millis(id.millis)));
    Ok(Standing {
        lag: unread + pending,
        pending,
        age: age.unwrap_or_default(),
    })
}

/// The standings of the partitions that this consumer owns, as gauges by topic.
#[derive(Default)]
pub(super) struct Gauges(Mutex<HashMap<TopicPartition, Standing>>);

impl Gauges {
    /// Notes the standing of one partition; none if it is no longer this consumer's to tell.
    pub(super) fn note(&self, group: &str, partition: TopicPartition, standing: Option<Standing>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match standing {
            Some(standing) => all.insert(partition, standing),
            None => all.remove(&partition),
        };
        let topic = partition.topic;
        let of_topic = || all.iter().filter(|(partition, _)| partition.topic == topic);
        let lag: u64 = of_topic().map(|(_, standing)| standing.lag).sum();
        let age = of_topic().map(|(_, standing)| standing.age).max().unwrap_or_default();
        let labels = labels(group, topic);
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        gauge!("holdfast_consumer_lag_entries", &labels).set(lag as f64);
        gauge!("holdfast_consumer_age_seconds", &labels).set(age.as_secs_f64());
    }
}

/// The labels of all metrics of a group.
pub(super) fn labels(group: &str, topic: Topic) -> [(&'static str, String); 2] {
    [("group", group.to_owned()), ("topic", topic.name().to_owned())]
}
