use std::{
    borrow::Cow,
    fmt::{self, Display},
    iter,
    ops::Deref,
    str::FromStr,
};

use domain::{Credits, ID_PATTERN, ItemId, OrderId, Quantity, UserId};
use engine::bulk::{MAX_RECORDS, RecordCount};
use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef},
    types::{ParseError, ParseFromParameter, ParseResult, Type},
};

/// What a path may carry. A client with a wrong value reads the error of its `FromStr`.
pub trait Parameter: FromStr<Err: Display> + Send + Sync + 'static {
    /// What the OpenAPI document says is allowed.
    fn schema() -> MetaSchema;
}

/// A documented path parameter that parses from its text.
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
