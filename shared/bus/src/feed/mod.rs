//! What is on the bus, read by whoever asks: from any point on, and as it comes.

mod history;
mod live;
mod merge;
mod position;
mod query;

pub(crate) use self::query::topics;
pub use self::{
    live::{LiveFeed, TooManyStreams},
    position::{BadPosition, Position},
    query::{Feed, FeedPage, FeedQuery, TypePattern},
};
