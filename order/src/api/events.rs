//! One order's events as they come, as Server-Sent Events.

use std::time::Duration;

use bus::CloudEvent;
use domain::OrderId;
use futures::{StreamExt, stream::BoxStream};
use poem::web::sse::Event;
use poem_openapi::{
    OpenApi,
    param::{Header, Path},
    payload::EventStream,
    types::Any,
};
use process::no_bus;
use web::{MALFORMED, Param, Problem};

use super::{Answer, Tag};
use crate::{
    Orders,
    problems::{FollowProblems, Refusal, TOO_MANY_STREAMS},
};

/// After so much silence a stream shows that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Serves an order's events.
pub struct OrderEventsApi {
    orders: Orders,
}

impl OrderEventsApi {
    /// The events of these orders.
    pub(crate) fn new(orders: Orders) -> Self {
        Self { orders }
    }
}

#[OpenApi(tag = "Tag::Order")]
impl OrderEventsApi {
    /// Follow an order's events
    ///
    /// As Server-Sent Events: those that there were already, and then each as it comes. An event's `id` is its number
    /// within the order, from 1 without a gap; its data is a `CloudEvent`. Whoever was cut off goes on behind
    /// `Last-Event-ID`, as browsers do by themselves.
    #[oai(path = "/v1/orders/:order_id/events", method = "get", operation_id = "followOrder")]
    async fn follow(
        &self,
        /// The order's id.
        order_id: Path<Param<OrderId>>,
        /// The number of the last event that was seen.
        #[oai(name = "Last-Event-ID")]
        last_event_id: Header<Option<String>>,
    ) -> Answer<EventStream<BoxStream<'static, Any<CloudEvent>>>, FollowProblems> {
        let order_id = order_id.0.get();
        let after = match last_event_id.0.as_deref().map(str::trim) {
            None | Some("") => 0,
            Some(text) => text
                .parse()
                .map_err(|_| Problem::new(&MALFORMED, "Last-Event-ID is not the number of an event"))?,
        };
        let live = self.orders.live.as_ref().ok_or_else(no_bus)?;
        self.orders
            .find(&order_id)
            .await?
            .ok_or_else(|| Refusal::UnknownOrder(order_id.clone()))?;
        let events = live
            .follow(order_id.to_string(), after)
            .map_err(|error| Problem::new(&TOO_MANY_STREAMS, error.to_string()))?;
        let events = events.map(Any).boxed();
        Ok(EventStream::new(events).keep_alive(HEARTBEAT).to_event(|Any(event)| {
            let text = serde_json::to_string(&event).unwrap_or_default();
            Event::message(text).event_type(event.r#type).id(event.sequence)
        }))
    }
}
