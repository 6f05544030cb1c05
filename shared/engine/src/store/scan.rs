//! Looking at everything that a store holds, page by page, while it is in use.
//!
//! Reads only, over the shared reader. A page is what Redis says at one moment; two pages are of two moments.
//!
//! Source of what a scan promises: <https://redis.io/docs/latest/commands/scan/#scan-guarantees>

use std::time::Duration;

use bytes::Bytes;
use fred::{
    clients::Client,
    interfaces::{ClientLike, KeysInterface, SortedSetsInterface},
    types::{ClusterHash, CustomCommand},
};

use super::{ReadError, claim::CLAIM, reader::Reader};

/// How many keys a page names, about.
const PAGE: u32 = 1_000;

/// A read-only look at a store.
#[derive(Clone)]
pub struct Scanner {
    reader: Reader,
}

/// One page of a scan.
#[derive(Debug)]
pub struct Page<T> {
    /// What it names. A scan may name the same thing twice.
    pub entries: Vec<T>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<String>,
}

/// How long a key stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// There is no such key.
    Gone,
    /// It stays.
    Never,
    /// Redis forgets it after this time.
    In(Duration),
}

/// Where a scan begins.
pub const START: &str = "0";

impl Scanner {
    pub(crate) fn new(reader: Reader) -> Self {
        Self { reader }
    }

    /// Which service made the store, and with how many partitions, in the words of the store's claim.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`], as for all calls here.
    pub async fn claim(&self) -> Result<Option<String>, ReadError> {
        self.reader
            .insist(|client| async move { client.get(CLAIM).await })
            .await
            .map_err(ReadError::from)
    }

    /// Tells one run of the server from another: a scan's cursor means nothing to the next run.
    pub async fn run_id(&self) -> Result<String, ReadError> {
        let info: String = self
            .reader
            .insist(|client| async move { client.custom(command("INFO"), vec!["server"]).await })
            .await
            .map_err(ReadError::from)?;
        let run_id = info.lines().find_map(|line| line.strip_prefix("run_id:"));
        run_id
            .map(ToOwned::to_owned)
            .ok_or_else(|| ReadError::Unavailable("INFO tells no run_id".into()))
    }

    /// One page of the keys whose names match a glob pattern.
    pub async fn keys(&self, pattern: &str, from: &str) -> Result<Page<String>, ReadError> {
        let (next, names): (String, Vec<Bytes>) = self
            .reader
            .insist(|client| async move { client.scan_page(from, pattern, Some(PAGE), None).await })
            .await
            .map_err(ReadError::from)?;
        // Every key of ours is ASCII; a stranger's is to be named, not read.
        let entries = names
            .iter()
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect();
        Ok(page(next, entries))
    }

    /// One page of an index's members with their scores.
    pub async fn members(&self, index: &str, from: &str) -> Result<Page<(String, f64)>, ReadError> {
        let page_size = PAGE.to_string();
        let arguments = [index, from, "COUNT", &page_size];
        let (next, flat): (String, Vec<String>) = self
            .reader
            .insist(|client| async move { client.custom(command("ZSCAN"), arguments.to_vec()).await })
            .await
            .map_err(ReadError::from)?;
        let entries = flat
            .chunks_exact(2)
            .map(|pair| (pair[0].clone(), pair[1].parse().unwrap_or(f64::NAN)))
            .collect();
        Ok(page(next, entries))
    }

    /// The scores of members of indexes, each an index and a member, in one round trip a thousand. `None` if it is no
    /// member; what is no index has none.
    pub async fn scores(&self, members: &[(String, String)]) -> Result<Vec<Option<f64>>, ReadError> {
        let mut scores = Vec::with_capacity(members.len());
        for some in members.chunks(PAGE as usize) {
            let ask = |client: Client| async move {
                let pipeline = client.pipeline();
                for (index, member) in some {
                    let () = pipeline.zscore(index, member).await?;
                }
                Ok(pipeline.try_all::<Option<f64>>().await)
            };
            for answer in self.reader.insist(ask).await.map_err(ReadError::from)? {
                scores.push(match answer {
                    Err(error) if error.details().starts_with("WRONGTYPE") => None,
                    answer => answer?,
                });
            }
        }
        Ok(scores)
    }

    /// What is stored under these keys, at one moment. `None` also if a key holds something else than text.
    pub async fn read(&self, names: Vec<String>) -> Result<Vec<Option<Bytes>>, ReadError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let names = &names;
        self.reader
            .insist(|client| async move { client.mget(names.clone()).await })
            .await
            .map_err(ReadError::from)
    }

    /// What kind of thing a key holds, in Redis's words: string, zset, none.
    pub async fn kind(&self, name: &str) -> Result<String, ReadError> {
        self.reader
            .insist(|client| async move { client.custom(command("TYPE"), vec![name]).await })
            .await
            .map_err(ReadError::from)
    }

    /// How long these keys stay.
    pub async fn expiries(&self, names: &[String]) -> Result<Vec<Expiry>, ReadError> {
        let ask = |client: Client| async move {
            let pipeline = client.pipeline();
            for name in names {
                pipeline.pttl::<(), _>(name.as_str()).await?;
            }
            pipeline.all::<Vec<i64>>().await
        };
        let milliseconds = self.reader.insist(ask).await.map_err(ReadError::from)?;
        let expiry = |milliseconds: i64| match milliseconds {
            -2 => Expiry::Gone,
            -1 => Expiry::Never,
            _ => Expiry::In(Duration::from_millis(milliseconds.unsigned_abs())),
        };
        Ok(milliseconds.into_iter().map(expiry).collect())
    }
}

fn page<T>(next: String, entries: Vec<T>) -> Page<T> {
    Page {
        entries,
        next: (next != START).then_some(next),
    }
}

fn command(name: &'static str) -> CustomCommand {
    CustomCommand::new_static(name, ClusterHash::FirstKey, false)
}
