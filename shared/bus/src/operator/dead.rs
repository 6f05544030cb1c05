//! Dead letters: what groups could not handle.

use std::{fmt, str::FromStr};

use engine::{
    parse_events,
    store::connection::{Connection, Reply},
};
use serde::Serialize;

use super::{all_partitions, groups::names};
use crate::{
    BusError, CloudEvent, Topic, TopicPartition,
    pages::Pages,
    replies::{EntryId, answered, array, text, texts},
};

/// Under whose name an entry is given to a group again; its consumers find it there.
const OPERATOR: &str = "operator";

/// A dead letter's name: `<topic>-<partition>/<group>/<entry>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterId {
    partition: TopicPartition,
    group: String,
    entry: EntryId,
}

/// The text is no dead letter's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a dead letter's name is as `dead list` prints it: order-3/mails/1700000000000-0")]
pub struct BadDeadLetterId;

impl fmt::Display for DeadLetterId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}/{}", self.partition, self.group, self.entry)
    }
}

impl FromStr for DeadLetterId {
    type Err = BadDeadLetterId;

    fn from_str(text: &str) -> Result<Self, BadDeadLetterId> {
        let parse = || {
            let (partition, rest) = text.split_once('/')?;
            let (group, entry) = rest.rsplit_once('/')?;
            let (topic, number) = partition.rsplit_once('-')?;
            Some(Self {
                partition: Topic::named(topic)?.partition(number.parse().ok()?),
                group: group.to_owned(),
                entry: EntryId::parse(entry)?,
            })
        };
        parse().ok_or(BadDeadLetterId)
    }
}

/// Something that a group could not handle.
#[derive(Debug, Clone, Serialize)]
pub struct DeadLetter {
    /// Its name.
    pub id: String,
    /// Whose it is.
    pub group: String,
    /// Why.
    pub reason: String,
    /// How often it was tried.
    pub tries: String,
    /// When it was given up.
    pub failed_at: String,
    /// The event, unless the entry held none.
    pub event: Option<CloudEvent>,
    /// The entry, if it held no events.
    pub entry: Option<String>,
}

/// What became of a letter that was to be handled again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replayed {
    /// Its group is given the entry again, and the letter is gone.
    GivenAgain,
    /// The bus no longer has the entry. The letter stays.
    NoLongerThere,
    /// There is no such letter.
    Unknown,
}

/// The dead letters on a bus.
pub struct DeadLetters<'a>(pub &'a mut Connection);

impl DeadLetters<'_> {
    /// All letters, of one group or of all.
    ///
    /// # Errors
    /// The bus does not answer, or refuses.
    pub async fn list(&mut self, group: Option<&str>) -> Result<Vec<DeadLetter>, BusError> {
        let mut letters = Vec::new();
        for partition in all_partitions(self.0).await? {
            for (name, _) in names(self.0, partition).await? {
                if group.is_none_or(|group| group == name) {
                    letters.extend(self.letters_of(partition, &name, "-", "+").await?);
                }
            }
        }
        Ok(letters)
    }

    /// One letter.
    ///
    /// # Errors
    /// The bus does not answer, or refuses.
    pub async fn show(&mut self, id: &DeadLetterId) -> Result<Option<DeadLetter>, BusError> {
        let entry = id.entry.to_string();
        let letters = self.letters_of(id.partition, &id.group, &entry, &entry).await?;
        Ok(letters.into_iter().next())
    }

    /// Forgets a letter. False if there is none.
    ///
    /// # Errors
    /// The bus does not answer, or refuses.
    pub async fn drop(&mut self, id: &DeadLetterId) -> Result<bool, BusError> {
        let (key, entry) = (id.partition.dead_key(&id.group), id.entry.to_string());
        self.0.queue("XDEL", [key.as_bytes(), entry.as_bytes()]);
        let reply = answered(self.0.exchange().await?)?.into_iter().next();
        Ok(matches!(reply, Some(Reply::Integer(1..))))
    }

    /// Lets the letter's group handle its entry again, with all the events that are in it. Other groups see nothing of
    /// it.
    ///
    /// # Errors
    /// The bus does not answer, or refuses.
    pub async fn replay(&mut self, id: &DeadLetterId) -> Result<Replayed, BusError> {
        let Some(letter) = self.show(id).await? else {
            return Ok(Replayed::Unknown);
        };
        let found = match &letter.event {
            Some(event) => self.entry_of(id.partition, event).await?,
            None => None,
        };
        let Some(entry) = found else {
            return Ok(Replayed::NoLongerThere);
        };
        let (key, entry) = (id.partition.stream_key(), entry.to_string());
        let seen = letter.event.map(|event| id.partition.seen_key(&id.group, &event.id));
        let marks = seen.into_iter().chain([id.partition.alone_key(&id.group, &entry)]);
        let marks: Vec<String> = marks.collect();
        self.0.queue("MULTI", []);
        let claim = [
            key.as_bytes(),
            id.group.as_bytes(),
            OPERATOR.as_bytes(),
            b"0",
            entry.as_bytes(),
        ];
        self.0
            .queue("XCLAIM", claim.into_iter().chain([&b"FORCE"[..], b"JUSTID"]));
        // Whoever replays it has decided that it may be handled again.
        self.0.queue("DEL", marks.iter().map(String::as_bytes));
        let (dead, letter) = (id.partition.dead_key(&id.group), id.entry.to_string());
        self.0.queue("XDEL", [dead.as_bytes(), letter.as_bytes()]);
        self.0.queue("EXEC", []);
        answered(self.0.exchange().await?)?;
        Ok(Replayed::GivenAgain)
    }

    async fn letters_of(
        &mut self,
        partition: TopicPartition,
        group: &str,
        from: &str,
        to: &str,
    ) -> Result<Vec<DeadLetter>, BusError> {
        let key = partition.dead_key(group);
        self.0.queue("XRANGE", [key.as_bytes(), from.as_bytes(), to.as_bytes()]);
        let read = answered(self.0.exchange().await?)?.into_iter().next();
        let letters = read.map(array).unwrap_or_default().into_iter().filter_map(|reply| {
            let mut parts = array(reply).into_iter();
            let entry = EntryId::parse(&text(parts.next()?)?)?;
            let fields = texts(parts.next()?);
            let field = |name: &str| {
                let mut pairs = fields.chunks_exact(2);
                pairs.find(|pair| pair[0] == name).map(|pair| pair[1].clone())
            };
            let id = DeadLetterId {
                partition,
                group: group.to_owned(),
                entry,
            };
            Some(DeadLetter {
                id: id.to_string(),
                group: group.to_owned(),
                reason: field("reason").unwrap_or_default(),
                tries: field("tries").unwrap_or_default(),
                failed_at: field("failed_at").unwrap_or_default(),
                event: field("event").and_then(|text| serde_json::from_str(&text).ok()),
                entry: field("entry"),
            })
        });
        Ok(letters.collect())
    }

    /// The entry that holds an event, if the bus still has it.
    async fn entry_of(&mut self, partition: TopicPartition, event: &CloudEvent) -> Result<Option<EntryId>, BusError> {
        let mut pages = Pages::new(partition.stream_key(), EntryId::default());
        loop {
            let entries = pages.next(self.0).await?;
            if entries.is_empty() {
                return Ok(None);
            }
            for entry in entries {
                let events = entry
                    .events
                    .and_then(|bytes| parse_events(&bytes).ok())
                    .unwrap_or_default();
                let is_there = events
                    .iter()
                    .any(|found| found.subject == event.subject && found.sequence == event.number());
                if is_there {
                    return Ok(Some(entry.id));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letters_name_is_read_as_it_was_written() {
        let id: DeadLetterId = "order-3/mails/17-2".parse().expect("a name");
        assert_eq!(id.to_string(), "order-3/mails/17-2");
        for bad in [
            "",
            "order-3/mails",
            "order-x/mails/1-1",
            "nobody-3/mails/1-1",
            "order-3/mails/1",
        ] {
            assert_eq!(bad.parse::<DeadLetterId>(), Err(BadDeadLetterId), "{bad}");
        }
    }
}
