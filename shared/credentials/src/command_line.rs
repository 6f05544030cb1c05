//! Passwords on the command line are refused: every user of the machine can read it in the list of processes.

use clap::{ArgMatches, Command, error::ErrorKind, parser::ValueSource};
use url::Url;

/// Ends the process, as it ends for an option that is wrong, if a URL with a password was given by an option. The
/// environment may hold one: only the process's own user can read it.
pub fn refuse_passwords(command: &mut Command, matches: &ArgMatches) {
    if let Some(option) = option_with_password(matches) {
        let option = option.replace('_', "-");
        let refusal = format!(
            "--{option} holds a password, which every user of this machine can read in the list of processes; name a file that holds it (--help lists the options that end in -password-file), or set the URL by its environment variable"
        );
        command.error(ErrorKind::ValueValidation, refusal).exit();
    }
}

/// The first option of the command line, or of its subcommand, that holds a password.
fn option_with_password(matches: &ArgMatches) -> Option<String> {
    let mut told = matches.ids().map(clap::Id::as_str).filter(|id| {
        // A group of options has no values of its own, and a global option none that a command above its own can tell.
        let Ok(Some(values)) = matches.try_get_raw(id) else {
            return false;
        };
        matches.value_source(id) == Some(ValueSource::CommandLine)
            && values.filter_map(|value| value.to_str()).any(has_password)
    });
    let found = told.next().map(ToOwned::to_owned);
    found.or_else(|| option_with_password(matches.subcommand()?.1))
}

/// Whether a text is a URL that tells a password, in its usual place or in an option of the URL.
fn has_password(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        let in_options = url
            .query_pairs()
            .any(|(name, _)| name.to_lowercase().contains("password"));
        url.password().is_some() || in_options
    })
}

#[cfg(test)]
mod tests {
    use clap::{Arg, Args, Command, FromArgMatches};

    use super::*;

    #[derive(Debug, Args)]
    struct Group {
        #[arg(long)]
        redis_url: Option<String>,
    }

    fn found(arguments: &[&str]) -> Option<String> {
        let bus_redis = Arg::new("bus_redis").long("bus-redis").global(true);
        let audit = Command::new("audit").arg(bus_redis).subcommand(Command::new("groups"));
        let command = Group::augment_args(Command::new("test")).subcommand(audit);
        let matches = command.try_get_matches_from(arguments).expect("options");
        Group::from_arg_matches(&matches).expect("options");
        option_with_password(&matches)
    }

    #[test]
    fn a_password_is_found_in_every_option_and_in_those_of_a_subcommand() {
        for url in [
            "redis://:s3cret@host:6379",
            "rediss://user:s3cret@host",
            "redis-sentinel://host?sentinelServiceName=m&sentinelPassword=s3cret",
        ] {
            assert_eq!(found(&["test", "--redis-url", url]).as_deref(), Some("redis_url"));
            for audit in [
                &["test", "audit", "--bus-redis", url][..],
                &["test", "audit", "groups", "--bus-redis", url],
            ] {
                assert_eq!(found(audit).as_deref(), Some("bus_redis"));
            }
        }
        for url in ["redis://host:6379", "redis://user@host", "redis+unix:///a:b@c", ""] {
            assert_eq!(found(&["test", "--redis-url", url]), None, "{url}");
        }
        assert_eq!(found(&["test"]), None);
    }
}
