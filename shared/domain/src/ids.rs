//! The names of things: orders, items, users, sessions, API keys and sagas.
//!
//! An id is 1 to 64 characters of `A-Z a-z 0-9 _ -`, checked where it enters. It can therefore stand in a
//! Redis key, a URL and a log line as it is. New ids are UUIDv7 (RFC 9562), which sort by time.

use std::{borrow::Cow, fmt, str::FromStr, sync::Arc};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::whole_number;

/// The most characters that an id may have.
pub const MAX_ID_LENGTH: usize = 64;

/// The form of an id, as a regular expression.
pub const ID_PATTERN: &str = "^[A-Za-z0-9_-]{1,64}$";

/// The text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an id is 1 to {MAX_ID_LENGTH} characters of A-Z, a-z, 0-9, _ and -")]
pub struct BadId;

fn is_id(text: &str) -> bool {
    (1..=MAX_ID_LENGTH).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

macro_rules! id {
    ($(#[$docs:meta])* $name:ident) => {
        $(#[$docs])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "Cow<'_, str>")]
        pub struct $name(Arc<str>);

        impl $name {
            /// A new id that no other call has given.
            #[must_use]
            pub fn generate() -> Self {
                Self(Uuid::now_v7().to_string().into())
            }

            /// The id of a record that `batch_init` makes: its number.
            #[must_use]
            pub fn numbered(number: u32) -> Self {
                Self(number.to_string().into())
            }

            /// The id's text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": ID_PATTERN })
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                if is_id(text) { Ok(Self(text.into())) } else { Err(BadId) }
            }
        }

        impl TryFrom<Cow<'_, str>> for $name {
            type Error = BadId;

            fn try_from(text: Cow<'_, str>) -> Result<Self, BadId> {
                text.parse()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

id! {
    /// Names one order.
    OrderId
}
id! {
    /// Names one item of the stock.
    ItemId
}
id! {
    /// Names one user and the user's account.
    UserId
}

id! {
    /// Names one session of a user: all tokens that follow from one login.
    SessionId
}
id! {
    /// Names one API key.
    KeyId
}

/// Names one attempt to check one order out: `<order_id>.<attempt>`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct SagaId {
    /// The order that is checked out.
    pub order: OrderId,
    /// Which attempt it is, from 1.
    pub attempt: u32,
}

/// The text is not a saga's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a saga's id is an order's id, a full stop and the number of the attempt")]
pub struct BadSagaId;

impl JsonSchema for SagaId {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "SagaId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}\\.[0-9]{1,10}$" })
    }
}

impl FromStr for SagaId {
    type Err = BadSagaId;

    fn from_str(text: &str) -> Result<Self, BadSagaId> {
        let (order, attempt) = text.split_once('.').ok_or(BadSagaId)?;
        Ok(Self {
            order: order.parse().map_err(|_| BadSagaId)?,
            attempt: whole_number(attempt).ok_or(BadSagaId)?,
        })
    }
}

impl TryFrom<Cow<'_, str>> for SagaId {
    type Error = BadSagaId;

    fn try_from(text: Cow<'_, str>) -> Result<Self, BadSagaId> {
        text.parse()
    }
}

impl From<SagaId> for String {
    fn from(saga: SagaId) -> Self {
        saga.to_string()
    }
}

impl fmt::Display for SagaId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.order, self.attempt)
    }
}

impl fmt::Debug for SagaId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_outside_the_alphabet_is_refused() {
        for bad in [
            "",
            " ",
            "a b",
            "{tag}",
            "a.b",
            "é",
            "a/b",
            "a\n",
            &"x".repeat(MAX_ID_LENGTH + 1),
        ] {
            assert_eq!(bad.parse::<ItemId>(), Err(BadId), "{bad:?}");
        }
        for good in ["0", "A-z_9", &"x".repeat(MAX_ID_LENGTH)] {
            assert_eq!(good.parse::<ItemId>().expect("an id").as_str(), good);
        }
        assert!(is_id(OrderId::generate().as_str()));
    }

    #[test]
    fn a_sagas_id_survives_a_round_trip() {
        let saga: SagaId = "order-1.7".parse().expect("a saga's id");
        assert_eq!((saga.order.as_str(), saga.attempt), ("order-1", 7));
        assert_eq!(saga.to_string(), "order-1.7");
        let json = serde_json::to_string(&saga).expect("JSON");
        assert_eq!(serde_json::from_str::<SagaId>(&json).expect("a saga's id"), saga);
        for bad in ["", "a", "a.", ".1", "a.b", "a.1.2", "a b.1", "a.-1", "a.+1", "a.01"] {
            assert_eq!(bad.parse::<SagaId>(), Err(BadSagaId), "{bad:?}");
        }
    }
}
