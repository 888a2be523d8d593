//! The names of the files of a sealed store.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use zeroize::Zeroizing;

use crate::store::files;
use crate::{Error, Month, MonthKey};

const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// The file that says which months are closed, whatever else is there.
const CLOSED_BEFORE: &str = "closed-before";

/// The folder of a store and, if that is another, the one of its keys.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    dir: PathBuf,
    keys: PathBuf,
}

/// What a file of a month is, and how its name ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The totals of a closed month.
    Json,
    /// The whole open month so far.
    Sealed,
    /// What came since.
    Fresh,
    /// The key of the open month.
    Key,
}

/// What the file of a month's key holds.
pub(super) enum KeyFile {
    Missing,
    /// Something else than the bytes of a key.
    NoKey,
    Key(MonthKey),
}

impl Part {
    fn ending(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Sealed => "sealed",
            Self::Fresh => "fresh",
            Self::Key => "key",
        }
    }
}

impl Folder {
    pub(super) fn new(dir: &Path, keys: Option<&Path>) -> Self {
        Self {
            dir: dir.into(),
            keys: keys.unwrap_or(dir).into(),
        }
    }

    /// Both folders, or the one that is both.
    pub(super) fn all(&self) -> impl Iterator<Item = &Path> {
        let keys = (self.keys != self.dir).then_some(self.keys.as_path());
        std::iter::once(self.dir.as_path()).chain(keys)
    }

    pub(super) fn make(&self) -> Result<(), Error> {
        for folder in self.all() {
            files::make_folder(folder, FOLDER_MODE)
                .map_err(|error| Error::io(format!("cannot make {}", folder.display()), &error))?;
        }
        Ok(())
    }

    /// The folder that files of this kind are in.
    fn of(&self, part: Part) -> &Path {
        if part == Part::Key {
            &self.keys
        } else {
            &self.dir
        }
    }

    fn path(&self, month: Month, part: Part) -> PathBuf {
        self.of(part).join(format!("{month}.{}", part.ending()))
    }

    /// The months that have a file of this kind.
    pub(super) fn months(&self, part: Part) -> Result<BTreeSet<Month>, Error> {
        let folder = self.of(part);
        let cannot =
            |error: io::Error| Error::io(format!("cannot read {}", folder.display()), &error);
        let mut months = BTreeSet::new();
        for entry in fs::read_dir(folder).map_err(cannot)? {
            let name = entry.map_err(cannot)?.file_name();
            let parts = name.to_str().and_then(|name| name.split_once('.'));
            if let Some((month, ending)) = parts {
                if let (Ok(month), true) = (month.parse(), ending == part.ending()) {
                    months.insert(month);
                }
            }
        }
        Ok(months)
    }

    pub(super) fn read(&self, month: Month, part: Part) -> Result<Option<Vec<u8>>, Error> {
        let path = self.path(month, part);
        files::read(&path)
            .map_err(|error| Error::io(format!("cannot read {}", path.display()), &error))
    }

    /// The first bytes of a file, as many as there are.
    pub(super) fn read_start(
        &self,
        month: Month,
        part: Part,
        len: usize,
    ) -> Result<Option<Vec<u8>>, Error> {
        let path = self.path(month, part);
        files::read_start(&path, len)
            .map_err(|error| Error::io(format!("cannot read {}", path.display()), &error))
    }

    pub(super) fn write(&self, month: Month, part: Part, bytes: &[u8]) -> Result<(), Error> {
        let path = self.path(month, part);
        files::write_dated(&path, bytes, FILE_MODE, date(month))
            .map_err(|error| Error::io(format!("cannot write {}", path.display()), &error))
    }

    pub(super) fn remove(&self, month: Month, part: Part) -> Result<(), Error> {
        let path = self.path(month, part);
        let remove = || -> io::Result<()> {
            let there = files::remove(&path)?;
            files::date_folder(&path, date(month))?;
            // What a loss of power brings back was not deleted.
            if there {
                files::sync_folder(&self.dir)?;
            }
            Ok(())
        };
        remove().map_err(|error| Error::io(format!("cannot delete {}", path.display()), &error))
    }

    /// The month before which all are closed, as it was written last. Something
    /// else than a month is `Err`.
    pub(super) fn closed_before(&self) -> Result<Result<Month, String>, Error> {
        let path = self.dir.join(CLOSED_BEFORE);
        let bytes = files::read(&path)
            .map_err(|error| Error::io(format!("cannot read {}", path.display()), &error))?;
        let Some(bytes) = bytes else {
            return Ok(Ok(Month::FIRST));
        };
        let text = std::str::from_utf8(&bytes).unwrap_or_default();
        let month = text.strip_suffix('\n').and_then(|text| text.parse().ok());
        Ok(month.ok_or_else(|| format!("{CLOSED_BEFORE} is not a month")))
    }

    pub(super) fn write_closed_before(&self, month: Month) -> Result<(), Error> {
        let path = self.dir.join(CLOSED_BEFORE);
        let text = format!("{month}\n");
        files::write_dated(&path, text.as_bytes(), FILE_MODE, date(month))
            .map_err(|error| Error::io(format!("cannot write {}", path.display()), &error))
    }

    pub(super) fn read_key(&self, month: Month) -> Result<KeyFile, Error> {
        let Some(bytes) = self.read(month, Part::Key)?.map(Zeroizing::new) else {
            return Ok(KeyFile::Missing);
        };
        Ok(match <&[u8; 32]>::try_from(bytes.as_slice()) {
            Ok(bytes) => KeyFile::Key(MonthKey::from_bytes(bytes)),
            Err(_) => KeyFile::NoKey,
        })
    }

    /// Moves keys that are in the store's own folder to the one of keys, if that
    /// was chosen since: otherwise their months would seem to have lost them.
    pub(super) fn move_keys(&self) -> Result<(), Error> {
        if self.keys == self.dir {
            return Ok(());
        }
        let before = Self::new(&self.dir, None);
        for month in before.months(Part::Key)? {
            if self.read(month, Part::Key)?.is_none() {
                let key = before.read(month, Part::Key)?.map(Zeroizing::new);
                self.write(month, Part::Key, &key.unwrap_or_default())?;
            }
            before.destroy_keys(month)?;
        }
        Ok(())
    }

    /// Overwrites the key of a month, and deletes it, with those that were set
    /// aside: whatever else remains of the month can never be read again.
    pub(super) fn destroy_keys(&self, month: Month) -> Result<(), Error> {
        // The key itself last: as long as it is there, the next start goes on.
        for path in self.aside(month, Part::Key)? {
            self.destroy(month, &path)?;
        }
        self.destroy(month, &self.path(month, Part::Key))
    }

    /// Deletes the files of a month that were set aside, its keys as well, and
    /// returns how many there were.
    pub(super) fn remove_aside(&self, month: Month) -> Result<usize, Error> {
        let mut removed = 0;
        for path in self.aside(month, Part::Key)? {
            self.destroy(month, &path)?;
            removed += 1;
        }
        for part in [Part::Sealed, Part::Fresh] {
            for path in self.aside(month, part)? {
                let cannot = |error| Error::io(format!("cannot delete {}", path.display()), &error);
                files::remove(&path).map_err(cannot)?;
                files::sync_folder(&self.dir).map_err(cannot)?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// The files of a month and kind that were set aside.
    fn aside(&self, month: Month, part: Part) -> Result<Vec<PathBuf>, Error> {
        let folder = self.of(part);
        let cannot =
            |error: io::Error| Error::io(format!("cannot read {}", folder.display()), &error);
        let start = format!("{month}.{}.damaged-", part.ending());
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).map_err(cannot)? {
            let entry = entry.map_err(cannot)?;
            if entry.file_name().to_string_lossy().starts_with(&start) {
                found.push(entry.path());
            }
        }
        Ok(found)
    }

    fn destroy(&self, month: Month, path: &Path) -> Result<(), Error> {
        let destroy = || -> io::Result<()> {
            match OpenOptions::new().write(true).open(path) {
                Ok(mut file) => {
                    file.write_all(&[0; 32])?;
                    file.sync_all()?;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            }
            fs::remove_file(path)?;
            files::date_folder(path, date(month))?;
            files::sync_folder(&self.keys)
        };
        destroy().map_err(|error| Error::io(format!("cannot destroy {}", path.display()), &error))
    }

    /// Gives a file that cannot be used another name, and returns that.
    pub(super) fn set_aside(&self, month: Month, part: Part) -> Result<String, Error> {
        let path = self.path(month, part);
        let cannot =
            |error: io::Error| Error::io(format!("cannot rename {}", path.display()), &error);
        let mut number = 1;
        loop {
            let aside = path.with_extension(format!("{}.damaged-{number}", part.ending()));
            // Nobody else renames: the lock is ours.
            if aside.try_exists().map_err(cannot)? {
                number += 1;
                continue;
            }
            fs::rename(&path, &aside).map_err(cannot)?;
            files::sync_folder(path.parent().unwrap_or(&self.dir)).map_err(cannot)?;
            return Ok(aside
                .file_name()
                .map(OsStr::to_string_lossy)
                .unwrap_or_default()
                .into_owned());
        }
    }
}

/// The time of modification of a month's files: its beginning, so that nobody
/// learns from them, or from a copy of them, when somebody came.
fn date(month: Month) -> SystemTime {
    let seconds = Duration::from_secs(month.start().unsigned_abs());
    let date = if month.start() < 0 {
        UNIX_EPOCH.checked_sub(seconds)
    } else {
        UNIX_EPOCH.checked_add(seconds)
    };
    date.unwrap_or(UNIX_EPOCH)
}
