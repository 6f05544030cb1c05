//! What a Redis says about itself.

use fred::{
    error::Error as RedisError,
    interfaces::ClientLike,
    types::{ClusterHash, CustomCommand},
};

use super::reader::Reader;

/// What the server of a slot says about itself.
pub(super) async fn info(reader: &Reader, slot: u16) -> Result<String, RedisError> {
    let info = CustomCommand::new_static("INFO", ClusterHash::Custom(slot), false);
    reader
        .ask(|client| async move { client.custom(info, Vec::<String>::new()).await })
        .await
}

/// A field of what INFO answers ([the command](https://redis.io/docs/latest/commands/info/)); `None` if it is not in there.
#[must_use]
pub fn info_field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let told = "# Memory\r\nused_memory:1024\r\nmaxmemory:2048\r\nmaxmemory_policy:allkeys-lru\r\n";
        assert_eq!(info_field(told, "maxmemory"), Some("2048"));
        assert_eq!(info_field(told, "maxmemory_policy"), Some("allkeys-lru"));
        assert_eq!(info_field(told, "used"), None);
    }
}
