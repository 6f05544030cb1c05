//! Topics and their keys on the bus.

use std::fmt;

use domain::ServiceName;

/// Where the events of one service go: one stream for each partition of the service's store.
///
/// A subject's events stay in one partition, because the store's partition of a subject is the topic's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic(ServiceName);

impl Topic {
    /// All topics.
    pub fn all() -> impl Iterator<Item = Self> {
        ServiceName::ALL.iter().copied().map(Self)
    }

    /// The topic of a service.
    #[must_use]
    pub const fn of(service: ServiceName) -> Self {
        Self(service)
    }

    /// The topic with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|topic| topic.name() == name)
    }

    /// The topic that events of this type are in: the type begins with what it is about.
    #[must_use]
    pub fn of_type(event_type: &str) -> Option<Self> {
        let (about, _) = event_type.split_once('.')?;
        Self::all().find(|topic| topic.subjects().contains(&about))
    }

    /// What its events are about, as their types begin.
    const fn subjects(self) -> &'static [&'static str] {
        match self.0 {
            ServiceName::Order => &["order"],
            ServiceName::Stock => &["item"],
            ServiceName::Payment => &["account"],
            ServiceName::Identity => &["user", "session", "key", "address"],
        }
    }

    /// Whether whoever may read events may read these. Those of identity carry what a mail tells its reader alone: they are
    /// in no feed and at no broker, and only notification's group handles them.
    #[must_use]
    pub const fn is_public(self) -> bool {
        !matches!(self.0, ServiceName::Identity)
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            ServiceName::Order => "order",
            ServiceName::Stock => "item",
            ServiceName::Payment => "account",
            ServiceName::Identity => "identity",
        }
    }

    /// Whose events they are.
    #[must_use]
    pub const fn service(self) -> ServiceName {
        self.0
    }

    /// Where the document of its events stands: at its service alone, in standalone, and behind the gateway.
    #[must_use]
    pub fn document_path(self) -> String {
        format!("/asyncapi/{}.json", self.service())
    }

    /// One of its partitions.
    #[must_use]
    pub const fn partition(self, number: u16) -> TopicPartition {
        TopicPartition { topic: self, number }
    }

    /// `cursor:{<topic>}`: how far the relay has moved each of the service's outboxes.
    #[must_use]
    pub fn cursor_key(self) -> String {
        format!("cursor:{{{self}}}")
    }

    /// `relay:{<topic>}`: who moves the topic's events now.
    #[must_use]
    pub fn lease_key(self) -> String {
        format!("relay:{{{self}}}")
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// One partition of a topic. All its keys share a hash tag, so one transaction can change them together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic.
    pub topic: Topic,
    /// The partition's number, as in the service's store.
    pub number: u16,
}

impl TopicPartition {
    /// `topic:{<topic>-<number>}`: the stream of its events.
    #[must_use]
    pub fn stream_key(self) -> String {
        format!("topic:{{{self}}}")
    }

    /// `owner:{<topic>-<number>}:<group>`: which consumer of a group reads the partition now.
    #[must_use]
    pub fn owner_key(self, group: &str) -> String {
        format!("owner:{{{self}}}:{group}")
    }

    /// `dead:{<topic>-<number>}:<group>`: the stream of the events that a group could not handle.
    #[must_use]
    pub fn dead_key(self, group: &str) -> String {
        format!("dead:{{{self}}}:{group}")
    }

    /// `cut:{<topic>-<number>}:<group>`: how many of a group's dead letters were cut away because there were too many.
    #[must_use]
    pub fn cut_key(self, group: &str) -> String {
        format!("cut:{{{self}}}:{group}")
    }

    /// `alone:{<topic>-<number>}:<group>:<entry>`: how often consumers have died of which event of a suspected entry.
    #[must_use]
    pub fn alone_key(self, group: &str, entry: &str) -> String {
        format!("alone:{{{self}}}:{group}:{entry}")
    }

    /// `seen:{<topic>-<number>}:<group>:<event id>`: that a handler which must not repeat has begun with an event.
    #[must_use]
    pub fn seen_key(self, group: &str, event_id: &str) -> String {
        format!("seen:{{{self}}}:{group}:{event_id}")
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.topic, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_types_topic_is_what_it_begins_with() {
        assert_eq!(Topic::of_type("item.sold_out"), Some(Topic::of(ServiceName::Stock)));
        assert_eq!(Topic::of_type("key.revoked"), Some(Topic::of(ServiceName::Identity)));
        assert_eq!(Topic::of_type("item"), None);
        assert_eq!(Topic::of_type("items.sold_out"), None);
        assert!(Topic::all().all(|topic| Topic::named(topic.name()) == Some(topic)));
    }
}
