//! What a redis-server says about itself.

use anyhow::Context;
use engine::store::info_field;
use harness::RedisAddress;

/// Deletes the holds of finished sagas, and the index that remembers to delete them.
const FORGET_SAGAS: &str = "local count = 0 \
    for _, pattern in ipairs({'hold:*', 'inflight:*'}) do \
    local cursor = '0' \
    repeat \
    local found = redis.call('SCAN', cursor, 'MATCH', pattern, 'COUNT', 1000) \
    cursor = found[1] \
    for _, key in ipairs(found[2]) do count = count + redis.call('DEL', key) end \
    until cursor == '0' \
    end \
    return count";

/// A server's counters. The first three only grow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counters {
    pub(crate) commands: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    /// What its data takes in memory, in bytes.
    pub(crate) used_memory: u64,
    /// The operating system's number of the server.
    pub(crate) pid: u32,
}

impl Counters {
    /// Reads the counters of the server there.
    ///
    /// # Errors
    /// It does not say what Redis says.
    pub(crate) async fn read(redis: &RedisAddress) -> anyhow::Result<Self> {
        let info = redis.run(&["INFO"]).await;
        let field = |name: &str| -> anyhow::Result<u64> {
            let value = info_field(&info, name).with_context(|| format!("no {name} in INFO"))?;
            Ok(value.parse()?)
        };
        Ok(Self {
            commands: field("total_commands_processed")?,
            bytes_in: field("total_net_input_bytes")?,
            bytes_out: field("total_net_output_bytes")?,
            used_memory: field("used_memory")?,
            pid: u32::try_from(field("process_id")?)?,
        })
    }
}

/// Leaves the server there with what it has when the grace time of finished sagas is over: without their holds. Only for
/// a system whose sagas are all finished, and that nobody uses any more.
pub(crate) async fn forget_sagas(redis: &RedisAddress) {
    redis.run(&["EVAL", FORGET_SAGAS, "0"]).await;
}
