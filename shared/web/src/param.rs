use std::{
    borrow::Cow,
    fmt::{self, Display},
    iter,
    ops::Deref,
    str::FromStr,
};

use domain::{Credits, ID_PATTERN, ItemId, KeyId, OrderId, Quantity, UserId};
use engine::bulk::{MAX_RECORDS, RecordCount};
use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef},
    types::{ParseError, ParseFromJSON, ParseFromParameter, ParseResult, ToJSON, Type},
};
use principals::{Role, Scope};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::Value;

/// What a path or a member of a body may carry. A client with a wrong value reads the error of its `FromStr`.
pub trait Parameter: FromStr<Err: Display> + Send + Sync + 'static {
    /// What the OpenAPI document says is allowed.
    fn schema() -> MetaSchema;
}

/// A documented path parameter that parses from its text, or a documented member of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param<T>(pub T);

impl<T> Param<T> {
    /// The parsed value.
    pub fn get(self) -> T {
        self.0
    }
}

impl<T> Deref for Param<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Display> Display for Param<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl<T: Parameter> Type for Param<T> {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "parameter".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(T::schema()))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(iter::once(self))
    }
}

impl<T: Parameter> ParseFromParameter for Param<T> {
    fn parse_from_parameter(value: &str) -> ParseResult<Self> {
        value.parse().map(Self).map_err(ParseError::custom)
    }
}

/// In a body, it is what serde makes of the type, and is told by the type's own schema.
impl<'de, T: Parameter + Deserialize<'de>> Deserialize<'de> for Param<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

impl<T: Parameter + DeserializeOwned> ParseFromJSON for Param<T> {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        Ok(Self(serde_json::from_value(value.unwrap_or_default())?))
    }
}

impl<T: Parameter + Serialize> ToJSON for Param<T> {
    fn to_json(&self) -> Option<Value> {
        serde_json::to_value(&self.0).ok()
    }
}

/// The schema of whole numbers from `min`, of a format that OpenAPI knows: int32 or int64.
#[must_use]
pub fn whole_numbers(format: &'static str, min: u32, max: Option<u32>) -> MetaSchema {
    MetaSchema {
        minimum: Some(min.into()),
        maximum: max.map(Into::into),
        ..MetaSchema::new_with_format("integer", format)
    }
}

fn id() -> MetaSchema {
    MetaSchema {
        pattern: Some(ID_PATTERN.into()),
        ..MetaSchema::new("string")
    }
}

impl Parameter for OrderId {
    fn schema() -> MetaSchema {
        id()
    }
}

impl Parameter for ItemId {
    fn schema() -> MetaSchema {
        id()
    }
}

impl Parameter for UserId {
    fn schema() -> MetaSchema {
        id()
    }
}

impl Parameter for KeyId {
    fn schema() -> MetaSchema {
        id()
    }
}

fn one_of<'a>(texts: impl Iterator<Item = &'a str>) -> MetaSchema {
    MetaSchema {
        enum_items: texts.map(Into::into).collect(),
        ..MetaSchema::new("string")
    }
}

impl Parameter for Scope {
    fn schema() -> MetaSchema {
        one_of(Self::ALL.iter().map(|scope| scope.as_str()))
    }
}

impl Parameter for Role {
    fn schema() -> MetaSchema {
        one_of(Self::ALL.iter().map(|role| role.as_str()))
    }
}

impl Parameter for Quantity {
    fn schema() -> MetaSchema {
        whole_numbers("int64", 0, None)
    }
}

impl Parameter for Credits {
    fn schema() -> MetaSchema {
        whole_numbers("int64", 0, None)
    }
}

impl Parameter for RecordCount {
    fn schema() -> MetaSchema {
        whole_numbers("int32", 0, Some(MAX_RECORDS))
    }
}
