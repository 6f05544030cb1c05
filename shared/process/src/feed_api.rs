//! The feed of all events, for whoever wants to read them over HTTP.

use bus::{
    Bus, BusError, CloudEvent,
    feed::{Feed, FeedQuery, Position, TypePattern},
};
use poem_openapi::{Object, OpenApi, Tags, param::Query, payload::Json, types::Any};
use web::{MALFORMED, Problem, ProblemKind, Refused, UNAVAILABLE, catalogue};

/// The path that the feed lies below.
pub const FEED_ROOT: &str = "/v1/events";

/// How many events an answer has if nobody asks for another number.
const DEFAULT_LIMIT: u32 = 20;

/// No bus is configured.
pub const NO_BUS: ProblemKind = ProblemKind::new(
    "no-bus",
    503,
    "This deployment has no bus, so its events cannot be read.",
);

catalogue! {
    /// What reading the feed may refuse.
    FeedProblems: MALFORMED, NO_BUS;
}

#[derive(Tags)]
enum Tag {
    /// What happened.
    Events,
}

/// A part of the feed.
#[derive(Object)]
struct EventList {
    /// The events, oldest first, in the form of CloudEvents 1.0. The catalogue is at /asyncapi.json.
    data: Vec<Any<CloudEvent>>,
    /// What to give as `after` for the next part, now or later.
    next_cursor: String,
}

/// Serves the feed.
pub struct FeedApi(Option<Feed>);

impl FeedApi {
    /// Of the events on this bus, if there is one.
    #[must_use]
    pub fn new(bus: Option<&Bus>) -> Self {
        Self(bus.cloned().map(Feed::new))
    }
}

#[OpenApi(tag = "Tag::Events")]
impl FeedApi {
    /// Read events
    ///
    /// All events that the bus still has, oldest first, or those that fit. Each subject's events are numbered from 1
    /// without a gap, so whoever misses one knows it.
    #[oai(path = "/v1/events", method = "get", operation_id = "listEvents")]
    async fn list(
        &self,
        /// Events of this type (`order.paid`), or of all types that begin so (`order.*`).
        r#type: Query<Option<String>>,
        /// Events about this order, item or user.
        subject: Query<Option<String>>,
        /// Events behind this point: the `next_cursor` of an earlier answer, or a time (2026-11-28T16:00:00Z).
        after: Query<Option<String>>,
        /// How many events at most, 1 to 100.
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<u32>>,
    ) -> Result<Json<EventList>, Refused<FeedProblems>> {
        let feed = self.0.as_ref().ok_or_else(no_bus)?;
        let query = FeedQuery {
            types: r#type
                .0
                .as_deref()
                .map(str::parse::<TypePattern>)
                .transpose()
                .map_err(malformed)?,
            subject: subject.0,
            after: match after.0 {
                Some(text) => text.parse::<Position>().map_err(malformed)?,
                None => Position::default(),
            },
            limit: limit.0.unwrap_or(DEFAULT_LIMIT) as usize,
        };
        let page = feed.read(&query).await.map_err(|error| unreadable(&error))?;
        Ok(Json(EventList {
            data: page.events.into_iter().map(Any).collect(),
            next_cursor: page.next.to_string(),
        }))
    }
}

/// The problem of whoever asks for events where there is no bus.
#[must_use]
pub fn no_bus() -> Problem {
    Problem::new(&NO_BUS, "an operator has to set BUS_URL")
}

fn malformed(error: impl std::fmt::Display) -> Problem {
    Problem::new(&MALFORMED, error.to_string())
}

fn unreadable(error: &BusError) -> Problem {
    tracing::warn!(%error, "the feed cannot be read");
    Problem::new(&UNAVAILABLE, "the bus does not answer")
}
