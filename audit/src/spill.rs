//! Rows that memory should not hold: written to files by the hash of an id, and read back a file at a time.
//!
//! So an audit needs memory for one bucket, whatever the stores hold (a Grace hash join).

use std::{
    fs::File,
    hash::{DefaultHasher, Hash, Hasher},
    io::{BufRead, BufReader, BufWriter, Seek, Write},
    marker::PhantomData,
    path::Path,
};

use serde::{Serialize, de::DeserializeOwned};

/// With a million orders, a bucket holds the rows of about 16,000. Three times as many files are open as this.
const BUCKETS: u64 = 64;
const BUFFER: usize = 16 * 1024;

/// Rows of one kind, in buckets.
pub(crate) struct Spill<T> {
    buckets: Vec<BufWriter<File>>,
    rows: PhantomData<fn(T) -> T>,
}

impl<T: Serialize + DeserializeOwned> Spill<T> {
    /// Starts empty files in `folder`, which are gone with the process.
    pub(crate) fn start(folder: &Path) -> anyhow::Result<Self> {
        let buckets = (0..BUCKETS)
            .map(|_| Ok(BufWriter::with_capacity(BUFFER, tempfile::tempfile_in(folder)?)))
            .collect::<anyhow::Result<_>>()?;
        Ok(Self {
            buckets,
            rows: PhantomData,
        })
    }

    /// Adds a row to the bucket of an id.
    pub(crate) fn add(&mut self, id: &str, row: &T) -> anyhow::Result<()> {
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        let bucket = usize::try_from(hasher.finish() % BUCKETS)?;
        serde_json::to_writer(&mut self.buckets[bucket], row)?;
        self.buckets[bucket].write_all(b"\n")?;
        Ok(())
    }

    /// Takes the buckets, one after the other, each with its rows in the order in which they were added.
    pub(crate) fn into_buckets(self) -> impl Iterator<Item = anyhow::Result<Bucket<T>>> {
        self.buckets.into_iter().map(|bucket| {
            let mut file = bucket.into_inner()?;
            file.rewind()?;
            Ok(Bucket {
                file: BufReader::with_capacity(BUFFER, file),
                rows: PhantomData,
            })
        })
    }
}

/// The rows of some ids.
pub(crate) struct Bucket<T> {
    file: BufReader<File>,
    rows: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Iterator for Bucket<T> {
    type Item = anyhow::Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = Vec::new();
        match self.file.read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_slice(&line).map_err(Into::into)),
            Err(error) => Some(Err(error.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_comes_back_once_beside_those_of_the_same_id() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut spill = Spill::start(folder.path()).expect("files");
        for round in 0..3 {
            for id in 0..1_000_u32 {
                spill.add(&id.to_string(), &(id, round)).expect("a row");
            }
        }
        let mut seen = Vec::new();
        for bucket in spill.into_buckets() {
            let rows: Vec<(u32, u32)> = bucket.expect("a bucket").map(|row| row.expect("a row")).collect();
            for (id, round) in &rows {
                let of_id: Vec<u32> = rows.iter().filter(|row| row.0 == *id).map(|row| row.1).collect();
                assert_eq!(of_id, [0, 1, 2], "{id} {round}");
            }
            seen.extend(rows);
        }
        assert_eq!(seen.len(), 3_000);
    }
}
