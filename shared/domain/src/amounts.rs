//! Amounts: whole, non-negative, and never silently too large.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The number is not an amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an amount is a whole number from 0 to {}", i64::MAX)]
pub struct BadAmount;

/// A whole number in its one form: digits alone, no sign, no zero before others.
#[must_use]
pub fn whole_number<T: FromStr>(text: &str) -> Option<T> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
    is_plain.then(|| text.parse().ok()).flatten()
}

/// What quantities and money have in common.
pub trait Amount:
    Copy + Ord + fmt::Debug + fmt::Display + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// Nothing.
    const ZERO: Self;
    /// The largest amount.
    const MAX: Self;

    /// The bare number.
    fn get(self) -> i64;

    /// The sum, if it is not too large.
    fn checked_add(self, other: Self) -> Option<Self>;

    /// The difference, if it is not below zero.
    fn checked_sub(self, other: Self) -> Option<Self>;
}

macro_rules! amount {
    ($(#[$docs:meta])* $name:ident) => {
        $(#[$docs])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "i64", into = "i64")]
        pub struct $name(i64);

        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(0);
            /// The largest amount.
            pub const MAX: Self = Self(i64::MAX);

            /// The bare number.
            #[must_use]
            pub fn get(self) -> i64 {
                self.0
            }

            /// The sum, if it is not too large.
            #[must_use]
            pub fn checked_add(self, other: Self) -> Option<Self> {
                self.0.checked_add(other.0).map(Self)
            }

            /// The difference, if it is not below zero.
            #[must_use]
            pub fn checked_sub(self, other: Self) -> Option<Self> {
                self.0.checked_sub(other.0).filter(|difference| *difference >= 0).map(Self)
            }
        }

        impl Amount for $name {
            const ZERO: Self = Self::ZERO;
            const MAX: Self = Self::MAX;

            fn get(self) -> i64 {
                self.0
            }

            fn checked_add(self, other: Self) -> Option<Self> {
                self.checked_add(other)
            }

            fn checked_sub(self, other: Self) -> Option<Self> {
                self.checked_sub(other)
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
                json_schema!({ "type": "integer", "minimum": 0, "maximum": i64::MAX })
            }
        }

        impl TryFrom<i64> for $name {
            type Error = BadAmount;

            fn try_from(number: i64) -> Result<Self, BadAmount> {
                if number >= 0 { Ok(Self(number)) } else { Err(BadAmount) }
            }
        }

        impl From<u32> for $name {
            fn from(number: u32) -> Self {
                Self(number.into())
            }
        }

        impl From<$name> for i64 {
            fn from(amount: $name) -> Self {
                amount.0
            }
        }

        impl FromStr for $name {
            type Err = BadAmount;

            fn from_str(text: &str) -> Result<Self, BadAmount> {
                whole_number(text).map(Self).ok_or(BadAmount)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }
    };
}

amount! {
    /// A number of pieces.
    Quantity
}
amount! {
    /// Money, in the smallest unit of the currency.
    Credits
}

impl Credits {
    /// The price of `quantity` pieces at `self` each, if it is not too large.
    #[must_use]
    pub fn checked_times(self, quantity: Quantity) -> Option<Self> {
        self.0.checked_mul(quantity.0).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_outside_the_range_is_refused() {
        let one = Credits::from(1);
        assert_eq!(Credits::MAX.checked_add(one), None);
        assert_eq!(Credits::ZERO.checked_sub(one), None);
        assert_eq!(Credits::MAX.checked_times(Quantity::from(2)), None);
        assert_eq!(one.checked_add(one), Some(Credits::from(2)));
        assert_eq!(one.checked_sub(one), Some(Credits::ZERO));
    }

    #[test]
    fn only_whole_numbers_in_range_are_amounts() {
        for bad in [
            "",
            "-1",
            "1.5",
            "1e3",
            "abc",
            "9223372036854775808",
            " 1",
            "+5",
            "05",
            "-0",
            "00",
            "0x1",
            "1_0",
            "١",
        ] {
            assert_eq!(bad.parse::<Quantity>(), Err(BadAmount), "{bad:?}");
        }
        assert_eq!("9223372036854775807".parse(), Ok(Quantity::MAX));
        assert_eq!("0".parse(), Ok(Quantity::ZERO));
        assert!(serde_json::from_str::<Credits>("-1").is_err());
    }
}
