//! Which event goes to which exchange.

use bus::Topic;
use domain::ServiceName;
use lapin::ExchangeKind;

/// The events that a buyer or an operator is to be told of: these go to `notification.exchange`, too.
pub const NOTIFIED: [&str; 5] = [
    "order.paid",
    "order.rejected",
    "account.refunded",
    "item.low",
    "item.sold_out",
];

/// An exchange that the bridge declares and publishes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exchange {
    /// What happened to orders.
    Order,
    /// What happened to items.
    Inventory,
    /// What happened to accounts.
    Payment,
    /// What somebody is to be told of ([`NOTIFIED`]).
    Notification,
}

impl Exchange {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Order, Self::Inventory, Self::Payment, Self::Notification];

    /// Its name at the broker.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Order => "order.exchange",
            Self::Inventory => "inventory.exchange",
            Self::Payment => "payment.exchange",
            Self::Notification => "notification.exchange",
        }
    }

    /// How it routes.
    pub(crate) const fn kind(self) -> ExchangeKind {
        match self {
            Self::Order => ExchangeKind::Topic,
            Self::Inventory | Self::Payment => ExchangeKind::Direct,
            Self::Notification => ExchangeKind::Fanout,
        }
    }

    /// Where the events of a topic go. Those of identity carry secrets for mails, so they go to no broker.
    const fn of(topic: Topic) -> Option<Self> {
        match topic.service() {
            ServiceName::Order => Some(Self::Order),
            ServiceName::Stock => Some(Self::Inventory),
            ServiceName::Payment => Some(Self::Payment),
            ServiceName::Identity => None,
        }
    }
}

/// One way of an event into the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Route<'a> {
    /// Where it is published.
    pub exchange: Exchange,
    /// The routing key: the event's type.
    pub key: &'a str,
}

/// The ways of an event of this type: its topic's exchange first. None for a type of no topic.
pub fn routes(event_type: &str) -> impl Iterator<Item = Route<'_>> {
    let of_topic = Topic::of_type(event_type).and_then(Exchange::of);
    let told = NOTIFIED.contains(&event_type).then_some(Exchange::Notification);
    of_topic.into_iter().chain(told).map(move |exchange| Route {
        exchange,
        key: event_type,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchanges(event_type: &str) -> Vec<&'static str> {
        routes(event_type).map(|route| route.exchange.name()).collect()
    }

    #[test]
    fn an_event_goes_to_its_topics_exchange_and_some_are_told_of() {
        assert_eq!(exchanges("order.created"), ["order.exchange"]);
        assert_eq!(exchanges("order.paid"), ["order.exchange", "notification.exchange"]);
        assert_eq!(exchanges("item.low"), ["inventory.exchange", "notification.exchange"]);
        assert_eq!(exchanges("account.charged"), ["payment.exchange"]);
        assert_eq!(exchanges("weather.changed"), [""; 0]);
        assert_eq!(exchanges("user.password_reset_requested"), [""; 0]);
    }

    #[test]
    fn whoever_is_told_is_told_of_what_has_a_topic() {
        assert!(NOTIFIED.iter().all(|event_type| exchanges(event_type).len() == 2));
    }
}
