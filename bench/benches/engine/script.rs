//! A Lua script for each operation: Redis runs it as one step, so nothing has to be watched.

use engine::keys::Key;
use fred::{clients::Client, interfaces::LuaInterface};

use crate::{callers::Way, redis::RedisServer};

/// Reads, decides and writes, as every state change does. (For a mere counter, INCR would do.)
const INCREMENT: &str = "
    local sum = tonumber(redis.call('GET', KEYS[1])) + 1
    redis.call('SET', KEYS[1], sum)
    return sum
";

/// One connection for all callers: fred sends what they ask at the same time in one go.
pub(crate) struct Script {
    client: Client,
    hash: String,
}

impl Script {
    pub(crate) async fn start(server: &RedisServer) -> anyhow::Result<Self> {
        let client = server.client().await?;
        let hash = client.script_load(INCREMENT).await?;
        Ok(Self { client, hash })
    }
}

impl Way for Script {
    async fn increment(&self, counter: &Key<i64>) -> anyhow::Result<i64> {
        Ok(self.client.evalsha(self.hash.as_str(), counter.name(), ()).await?)
    }
}
