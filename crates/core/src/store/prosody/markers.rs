//! The users' files: who counted last in which month.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::names::{self, Names};
use crate::store::dat::{self, Table, TableKey, Value};
use crate::store::files;
use crate::{Error, Log, Month};

/// The field of a user's file that says it.
const FIELD: &str = "last-recorded";

/// As Prosody gives its own files.
const MODE: u32 = 0o640;

/// Up to this many files are synced one by one; more of them together with all
/// else on the file system, which may wait for the writes of other programs.
const FEW: usize = 32;

/// The endings that a damaged file may get. They are as long as `dat`, so that
/// the longest name stays possible.
const ASIDE: [&str; 9] = [
    "bad", "ba2", "ba3", "ba4", "ba5", "ba6", "ba7", "ba8", "ba9",
];

/// The new marks of users, by the names of their files.
pub(super) type Changes = BTreeMap<String, Month>;

/// What a user's files say, the one in the old folder included.
#[derive(Debug, Default)]
struct Found {
    /// The later of the two months.
    month: Option<Month>,
    /// All fields of the file that Prosody would read.
    fields: Table,
    /// The files that say nothing because they are damaged, and why.
    damaged: Vec<(PathBuf, String)>,
}

/// The folders of users' files. No message names a file in them, because the
/// names are those of users.
#[derive(Debug)]
pub(super) struct Markers {
    folders: [PathBuf; 2],
    log: Log,
    warned: bool,
}

impl Markers {
    pub(super) fn new(names: &Names, log: Log) -> Self {
        Self {
            folders: [names.users(), names.old_users()],
            log,
            warned: false,
        }
    }

    /// The month in which a user counted last. A damaged file is set aside: it
    /// cannot tell, so the user counts, and nobody else has to wait for that.
    pub(super) fn last(&mut self, stem: &str) -> Result<Option<Month>, Error> {
        let found = self.find(stem)?;
        for (path, reason) in &found.damaged {
            set_aside(path)
                .map_err(|error| Error::io("cannot set aside a user's marker file", &error))?;
            let line = format!(
                "a user's marker file, {reason}: the user counts again, the file now ends in .bad"
            );
            if self.warned {
                self.log.debug(line);
            } else {
                self.log.warn(line);
            }
            self.warned = true;
        }
        Ok(found.month)
    }

    /// Writes marks that are later than what is there. They are durable after
    /// [`Markers::sync`].
    pub(super) fn apply(&self, changes: &Changes) -> Result<(), Error> {
        let write = if changes.len() <= FEW {
            files::write_synced
        } else {
            files::write_unsynced
        };
        for (stem, &month) in changes {
            let mut found = self.find(stem)?;
            if found.month >= Some(month) {
                continue;
            }
            // What else is in the file is not ours to lose. Only a file that
            // is synced by itself cannot be emptied by a loss of power.
            let write = if found.fields.keys().all(|key| key.as_text() == Some(FIELD)) {
                write
            } else {
                files::write_synced
            };
            let text = Value::Text(month.to_string().into_bytes());
            found.fields.insert(TableKey::text(FIELD), text);
            let [folder, _] = &self.folders;
            write(
                &folder.join(format!("{stem}.dat")),
                dat::to_text(&found.fields).as_bytes(),
                MODE,
            )
            .map_err(|error| Error::io("cannot write a user's marker file", &error))?;
        }
        Ok(())
    }

    /// Makes durable what was applied to so many files.
    pub(super) fn sync(&self, count: usize) -> Result<(), Error> {
        let sync = if count <= FEW {
            files::sync_folder
        } else {
            files::sync_filesystem
        };
        for folder in &self.folders {
            match sync(folder) {
                Ok(()) => (),
                Err(error) if error.kind() == io::ErrorKind::NotFound => (),
                Err(error) => {
                    return Err(Error::io(
                        format!("cannot sync {}", folder.display()),
                        &error,
                    ));
                }
            }
        }
        Ok(())
    }

    /// Deletes all that is kept of a user.
    pub(super) fn remove(&self, stem: &str) -> Result<(), Error> {
        for folder in &self.folders {
            // Prosody's own temporary file ends in "dat~".
            for ending in ["dat", "dat~"].iter().chain(&ASIDE) {
                match files::remove(&folder.join(format!("{stem}.{ending}"))) {
                    Ok(_) => (),
                    // A name so long that there can be no such file.
                    Err(error) if error.raw_os_error() == Some(nix::libc::ENAMETOOLONG) => (),
                    Err(error) => {
                        return Err(Error::io("cannot delete a user's marker file", &error));
                    }
                }
            }
        }
        Ok(())
    }

    /// Every user that has a mark, by the name of the file.
    pub(super) fn all(&mut self) -> Result<BTreeMap<String, Month>, Error> {
        let mut all = BTreeMap::new();
        let mut damaged = 0;
        for folder in &self.folders {
            for stem in stems(folder)
                .map_err(|error| Error::io(format!("cannot read {}", folder.display()), &error))?
            {
                if all.contains_key(&stem) {
                    continue;
                }
                let found = self.find(&stem)?;
                damaged += found.damaged.len();
                if let Some(month) = found.month {
                    all.insert(stem, month);
                }
            }
        }
        if damaged > 0 && !self.warned {
            self.warned = true;
            self.log
                .warn(format!("{damaged} users' marker files are damaged"));
        }
        Ok(all)
    }

    fn find(&self, stem: &str) -> Result<Found, Error> {
        let mut found = Found::default();
        for folder in &self.folders {
            let path = folder.join(format!("{stem}.dat"));
            let Some(bytes) = files::read(&path)
                .map_err(|error| Error::io("cannot read a user's marker file", &error))?
            else {
                continue;
            };
            match parse(&bytes) {
                Ok((fields, month)) => {
                    found.month = found.month.max(month);
                    if found.fields.is_empty() {
                        found.fields = fields;
                    }
                }
                Err(reason) => found.damaged.push((path, reason)),
            }
        }
        Ok(found)
    }
}

/// The fields of a file and the month that they say.
fn parse(bytes: &[u8]) -> Result<(Table, Option<Month>), String> {
    let fields = dat::parse(bytes).map_err(|fault| fault.to_string())?;
    let month = match fields.get(&TableKey::text(FIELD)) {
        None => None,
        Some(Value::Text(text)) => std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse().ok())
            .map(Some)
            .ok_or("last-recorded is not a month")?,
        Some(_) => return Err("last-recorded is not a month".into()),
    };
    Ok((fields, month))
}

/// Gives a file the first ending that is free, and if none is, the last one.
fn set_aside(path: &Path) -> io::Result<()> {
    let mut to = path.with_extension("bad");
    for ending in ASIDE {
        to.set_extension(ending);
        if !to.exists() {
            break;
        }
    }
    fs::rename(path, &to)?;
    path.parent().map_or(Ok(()), files::sync_folder)
}

/// The names of the users' files in a folder.
fn stems(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut stems = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let stem = name.to_str().and_then(|name| name.strip_suffix(".dat"));
        stems.extend(stem.filter(|stem| names::is_stem(stem)).map(String::from));
    }
    Ok(stems)
}
