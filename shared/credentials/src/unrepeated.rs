//! Parsing a setting that may hold a secret: what clap says of a wrong value repeats it, and this does not.

use std::{ffi::OsStr, fmt, marker::PhantomData, str::FromStr};

use clap::{
    Arg, Command,
    builder::TypedValueParser,
    error::{Error, ErrorKind},
};

/// Parses a `T`, and says what is wrong without the text that was given.
pub struct Unrepeated<T>(PhantomData<fn() -> T>);

impl<T> Unrepeated<T> {
    /// The parser.
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T> Default for Unrepeated<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for Unrepeated<T> {
    fn clone(&self) -> Self {
        Self::new()
    }
}

impl<T> TypedValueParser for Unrepeated<T>
where
    T: FromStr<Err: fmt::Display> + Clone + Send + Sync + 'static,
{
    type Value = T;

    fn parse_ref(&self, command: &Command, option: Option<&Arg>, value: &OsStr) -> Result<T, Error> {
        let parsed = match value.to_str() {
            Some(text) => text.parse().map_err(|cause: T::Err| cause.to_string()),
            None => Err("it is no text in UTF-8".to_owned()),
        };
        parsed.map_err(|cause| {
            let option = option.map(ToString::to_string).unwrap_or_default();
            let message = format!("the value of '{option}' cannot be used: {cause}\n");
            Error::raw(ErrorKind::ValueValidation, message).with_cmd(command)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_value_is_not_repeated_and_its_option_is_named() {
        let command = Command::new("test").arg(Arg::new("n").long("number").value_parser(Unrepeated::<u8>::new()));
        let parse = |value| command.clone().try_get_matches_from(["test", "--number", value]);
        let parsed = parse("7").expect("a number");
        assert_eq!(parsed.get_one::<u8>("n"), Some(&7));
        let refused = parse("s3cret").expect_err("no number").to_string();
        assert!(
            refused.contains("--number") && refused.contains("invalid digit"),
            "{refused}"
        );
        assert!(!refused.contains("s3cret"), "{refused}");
    }
}
