//! Databases that several counters of a process use, in memory once.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use crate::Error;
use crate::sync::Mutex;

/// What tells a replaced file from the one before: inode, size, and the times
/// of its last change in seconds and nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp(u64, u64, i64, i64);

impl Stamp {
    /// That of a file; `None` when it cannot be seen.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let data = fs::metadata(path).ok()?;
        Some(Self(
            data.ino(),
            data.size(),
            data.mtime(),
            data.mtime_nsec(),
        ))
    }
}

/// The databases of one kind that are in use, by path.
#[derive(Debug)]
pub struct Shared<T> {
    opened: Mutex<BTreeMap<PathBuf, (Stamp, Weak<T>)>>,
}

impl<T> Shared<T> {
    pub(super) const fn new() -> Self {
        Self {
            opened: Mutex::new(BTreeMap::new()),
        }
    }

    /// The database at `path`: the one that is in use, if the file is still the
    /// same, otherwise what `open` returns. No lock is held meanwhile; of two
    /// that open the same file at once, one is dropped.
    pub(super) fn get(
        &self,
        path: &Path,
        open: impl FnOnce(&Path) -> Result<T, Error>,
    ) -> Result<Arc<T>, Error> {
        let stamp = Stamp::of(path);
        if let Some(table) = self.find(path, stamp) {
            return Ok(table);
        }
        let table = Arc::new(open(path)?);
        // Without a stamp nobody could tell whether it is still the same.
        let Some(stamp) = stamp else {
            return Ok(table);
        };
        let mut opened = self.opened.lock();
        opened.retain(|_, (_, table)| table.strong_count() > 0);
        if let Some((known, other)) = opened.get(path) {
            if let (true, Some(other)) = (*known == stamp, other.upgrade()) {
                return Ok(other);
            }
        }
        opened.insert(path.into(), (stamp, Arc::downgrade(&table)));
        Ok(table)
    }

    fn find(&self, path: &Path, stamp: Option<Stamp>) -> Option<Arc<T>> {
        let opened = self.opened.lock();
        let (known, table) = opened.get(path)?;
        table.upgrade().filter(|_| stamp == Some(*known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_opened_once_while_it_is_in_use_and_the_same() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let shared = Shared::<String>::new();
        let get = |name: &str| shared.get(file.path(), |_| Ok(name.to_owned())).unwrap();
        let one = get("one");
        assert_eq!(*get("two"), "one");
        fs::write(file.path(), "replaced").unwrap();
        let three = get("three");
        assert_eq!((one.as_str(), three.as_str()), ("one", "three"));
        drop((one, three));
        assert_eq!(*get("four"), "four");
        let error = shared.get(Path::new("/nowhere"), |_| Err(Error::Closed));
        assert!(error.is_err());
    }
}
