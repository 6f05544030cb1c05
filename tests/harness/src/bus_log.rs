use std::collections::HashMap;

use bus::{
    Bus, CloudEvent,
    feed::{Feed, FeedQuery, Position},
};
use engine::store::StoreConfig;

use crate::{Deployment, RedisServer, eventually};

/// All that is on a bus.
pub struct BusLog {
    /// The events, oldest first.
    pub events: Vec<CloudEvent>,
}

impl BusLog {
    /// Reads a bus from its beginning to its end.
    ///
    /// # Panics
    /// If it cannot be read.
    pub async fn read(bus: &RedisServer) -> Self {
        let bus = Bus::open(&StoreConfig::at(bus.url())).expect("a bus");
        let feed = Feed::new(bus);
        let (mut events, mut after) = (Vec::new(), Position::default());
        loop {
            let query = FeedQuery {
                types: None,
                subject: None,
                after,
                limit: 10_000,
            };
            let page = feed.read(&query).await.expect("a part of the feed");
            events.extend(page.events);
            after = page.next;
            if page.is_end {
                return Self { events };
            }
        }
    }

    /// Waits until the bus has every event that the records of a deployment count, and checks that it has each once and
    /// each subject's in order.
    ///
    /// # Panics
    /// If it has an event twice or in the wrong place, or never has all of them.
    pub async fn complete(deployment: &Deployment) -> Self {
        let bus = deployment.bus.as_ref().expect("a bus");
        eventually("every event is on the bus", async || {
            let counted = [
                counted(&deployment.order_redis, "order", "/order").await,
                counted(&deployment.stock_redis, "item", "/stock").await,
                counted(&deployment.payment_redis, "account", "/payment").await,
            ];
            let log = Self::read(bus).await;
            let last = log.numbers();
            let counted: HashMap<(String, String), u64> = counted.into_iter().flatten().collect();
            (last == counted).then_some(log)
        })
        .await
    }

    /// The number of each subject's last event.
    ///
    /// # Panics
    /// If a subject's numbers do not go from 1 without a gap.
    #[must_use]
    pub fn numbers(&self) -> HashMap<(String, String), u64> {
        let mut last: HashMap<(String, String), u64> = HashMap::new();
        for event in &self.events {
            let subject = (event.source.clone(), event.subject.clone());
            let number = last.entry(subject).or_default();
            *number += 1;
            assert_eq!(event.number(), *number, "{event:?}");
        }
        last
    }

    /// How many events there are of a type.
    #[must_use]
    pub fn count(&self, event_type: &str) -> usize {
        self.events.iter().filter(|event| event.r#type == event_type).count()
    }
}

/// How many events each record counts.
async fn counted(store: &RedisServer, kind: &str, source: &str) -> Vec<((String, String), u64)> {
    const READ: &str = "local found = {} \
         for _, key in ipairs(redis.call('KEYS', ARGV[1] .. ':*')) do \
         found[#found + 1] = key .. ' ' .. cjson.decode(redis.call('GET', key)).sequence end \
         return table.concat(found, '\\n')";
    let text = store.run(&["EVAL", READ, "0", kind]).await;
    let lines = text.lines().filter(|line| !line.is_empty()).map(|line| {
        let (key, number) = line.split_once(' ').expect("a key and a number");
        let subject = key.rsplit_once("}:").expect("a record's key").1;
        let number = number.parse().expect("a number");
        ((source.to_owned(), subject.to_owned()), number)
    });
    lines.collect()
}
