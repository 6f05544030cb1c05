//! Keys in files, which are read again when they change: so keys rotate while everything runs.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use domain::ServiceName;

use crate::{BadKey, PublicKey, SigningKey};

/// How often a file is looked at whether it has changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Keys cannot be read from their files.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file or folder cannot be read.
    #[error("{path}: {cause}", path = path.display())]
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// It holds something else.
    #[error("{path}: {cause}", path = path.display())]
    NoKey {
        /// Which one.
        path: PathBuf,
        /// What it should hold.
        cause: BadKey,
    },
    /// Its name tells no owner.
    #[error("{path}: a public key's file is named <service>.pem or <service>.<anything>.pem, after who signs with it", path = path.display())]
    NoOwner {
        /// Which one.
        path: PathBuf,
    },
}

/// What tells that a file has changed.
#[derive(PartialEq, Eq)]
struct Stamp(Vec<(PathBuf, Option<SystemTime>, u64)>);

impl Stamp {
    fn of(path: &Path) -> Result<Self, KeyFileError> {
        let mut stamps = Vec::new();
        for file in files(path)? {
            let told = fs::metadata(&file).map_err(|cause| unreadable(&file, cause))?;
            stamps.push((file, told.modified().ok(), told.len()));
        }
        Ok(Self(stamps))
    }
}

/// A file alone, or all `.pem` files of a folder.
fn files(path: &Path) -> Result<Vec<PathBuf>, KeyFileError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = entries.map_err(|cause| unreadable(path, cause))?;
    let mut files: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "pem"));
    files.sort();
    Ok(files)
}

fn unreadable(path: &Path, cause: io::Error) -> KeyFileError {
    KeyFileError::Unreadable {
        path: path.to_owned(),
        cause,
    }
}

/// What stands in a file or a folder now.
pub(crate) struct Followed<T> {
    path: PathBuf,
    read: fn(&Path) -> Result<T, KeyFileError>,
    // A std mutex: what is done under it waits for nothing but a local file, once a second.
    last: Mutex<Last<T>>,
}

struct Last<T> {
    looked: Instant,
    stamp: Stamp,
    value: Arc<T>,
}

impl<T> Followed<T> {
    /// Reads it for the first time.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn open(path: &Path, read: fn(&Path) -> Result<T, KeyFileError>) -> Result<Self, KeyFileError> {
        // Before what it stamps: a change in between is found by the next look.
        let stamp = Stamp::of(path)?;
        Ok(Self {
            path: path.to_owned(),
            read,
            last: Mutex::new(Last {
                looked: Instant::now(),
                stamp,
                value: Arc::new(read(path)?),
            }),
        })
    }

    /// What stands there, as of a second ago at most. What cannot be read any more stays as it was.
    pub(crate) fn current(&self) -> Arc<T> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.looked.elapsed() >= LOOK_EVERY {
            last.looked = Instant::now();
            self.look(&mut last);
        }
        last.value.clone()
    }

    fn look(&self, last: &mut Last<T>) {
        let looked = Stamp::of(&self.path).and_then(|stamp| {
            if stamp == last.stamp {
                return Ok(None);
            }
            Ok(Some((stamp, (self.read)(&self.path)?)))
        });
        match looked {
            Ok(None) => {}
            Ok(Some((stamp, value))) => {
                tracing::info!(path = %self.path.display(), "keys were read again");
                last.stamp = stamp;
                last.value = Arc::new(value);
            }
            Err(error) => tracing::warn!(%error, "keys cannot be read again; those that were read before stay"),
        }
    }

    #[cfg(test)]
    pub(crate) fn look_now(&self) -> Arc<T> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        self.look(&mut last);
        last.value.clone()
    }
}

/// The private key in a file.
pub(crate) fn read_signing_key(path: &Path) -> Result<SigningKey, KeyFileError> {
    let pem = fs::read_to_string(path).map_err(|cause| unreadable(path, cause))?;
    SigningKey::from_pem(&pem).map_err(|cause| KeyFileError::NoKey {
        path: path.to_owned(),
        cause,
    })
}

/// The public keys of the services that call, by their names.
#[derive(Debug, Default)]
pub struct PeerKeys(HashMap<String, (PublicKey, ServiceName)>);

impl PeerKeys {
    /// The key of this name, and who signs with it.
    pub(crate) fn get(&self, kid: &str) -> Option<(&PublicKey, ServiceName)> {
        self.0.get(kid).map(|(key, owner)| (key, *owner))
    }

    /// The keys in a folder's `.pem` files, each named after its owner: `order.pem`, or `order.2026.pem` beside it.
    ///
    /// # Errors
    /// One of them is no key, or nobody's.
    pub fn read(folder: &Path) -> Result<Self, KeyFileError> {
        let mut keys = HashMap::new();
        for path in files(folder)? {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let owner = name.split('.').next().and_then(ServiceName::named);
            let Some(owner) = owner else {
                return Err(KeyFileError::NoOwner { path });
            };
            let pem = fs::read_to_string(&path).map_err(|cause| unreadable(&path, cause))?;
            let key = PublicKey::from_pem(&pem).map_err(|cause| KeyFileError::NoKey {
                path: path.clone(),
                cause,
            })?;
            keys.insert(key.kid().to_owned(), (key, owner));
        }
        Ok(Self(keys))
    }
}
