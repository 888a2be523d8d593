//! The users' files: who counted last in which month.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::names::{self, Names};
use crate::store::dat::{self, Table, TableKey, Value};
use crate::store::files::{self, Syncing};
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

/// What is in users' files besides the mark, if anything is. Nobody else writes
/// them, so they need not be read again.
pub(super) type Kept = HashMap<String, Table>;

/// What a user's files say, the one in the old folder included.
#[derive(Debug, Default)]
struct Found {
    /// The later of the two months.
    month: Option<Month>,
    /// All fields of the file that Prosody would read.
    fields: Table,
    /// The files that say nothing, and why.
    useless: Vec<(PathBuf, Why)>,
}

/// Why a file says nothing.
#[derive(Debug)]
enum Why {
    Damaged(String),
    Unreadable(io::Error),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(reason) => f.write_str(reason),
            Self::Unreadable(error) => write!(f, "cannot be read: {error}"),
        }
    }
}

/// When a user counted last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Never,
    In(Month),
    /// The file can neither be read nor be replaced: if the user counted now,
    /// they would count again at each start.
    Stuck,
}

/// The folders of users' files. No message names a file in them, because the
/// names are those of users.
#[derive(Debug)]
pub(super) struct Markers {
    folders: [PathBuf; 2],
    log: Log,
    warned: Cell<bool>,
}

impl Markers {
    pub(super) fn new(names: &Names, log: Log) -> Self {
        Self {
            folders: [names.users(), names.old_users()],
            log,
            warned: Cell::new(false),
        }
    }

    /// When a user counted last; what must not be lost of the file goes to
    /// `kept`. A file that cannot tell is set aside, so the user counts, and
    /// nobody else has to wait for that.
    pub(super) fn last(&self, stem: &str, kept: &mut Kept) -> Result<Mark, Error> {
        let mut found = self.find(stem)?;
        for (path, why) in &found.useless {
            match set_aside(path) {
                Ok(()) => self.warn(format_args!(
                    "a user's marker file, {why}: the user counts again, the file now ends in .bad"
                )),
                Err(error) if concerns_one_file(path, &error) => {
                    self.warn(format_args!(
                        "a user's marker file, {why}: it cannot be renamed, {error}, \
                         and this user is not counted until it is gone"
                    ));
                    return Ok(Mark::Stuck);
                }
                Err(error) => {
                    return Err(Error::io("cannot set aside a user's marker file", &error));
                }
            }
        }
        found.fields.remove(&TableKey::text(FIELD));
        if !found.fields.is_empty() {
            kept.insert(stem.into(), found.fields);
        }
        Ok(found.month.map_or(Mark::Never, Mark::In))
    }

    /// Writes marks that are later than what is there. They are durable after
    /// the returned is finished. What the files hold besides is in `kept`, or
    /// is read again.
    pub(super) fn apply(&self, changes: &Changes, kept: Option<&Kept>) -> Result<Syncing, Error> {
        let [folder, _] = &self.folders;
        let many = changes.len() > FEW;
        let syncing = Syncing::begin(folder, many).map_err(|error| unsynced(folder, &error))?;
        for (stem, &month) in changes {
            let mut fields = match kept {
                Some(kept) => kept.get(stem).cloned().unwrap_or_default(),
                None => match self.find(stem)? {
                    found if found.month >= Some(month) => continue,
                    found => found.fields,
                },
            };
            let month = Value::Text(month.to_string().into_bytes());
            fields.insert(TableKey::text(FIELD), month);
            // Only a file that is synced by itself cannot be emptied by a loss
            // of power: what else is in it is not ours to lose.
            let write = if many && fields.len() == 1 {
                files::write_unsynced
            } else {
                files::write_synced
            };
            let path = folder.join(format!("{stem}.dat"));
            let text = dat::to_text(&fields);
            let write = || write(&path, text.as_bytes(), MODE);
            let written = write().or_else(|error| {
                if concerns_one_file(&path, &error) {
                    set_aside(&path).and_then(|()| write())
                } else {
                    Err(error)
                }
            });
            match written {
                // Counted they are, and what is written must not be undone. All
                // others would wait for ever.
                Err(error) if concerns_one_file(&path, &error) => self.warn(format_args!(
                    "a user's marker file cannot be replaced, {error}: the user may count again"
                )),
                written => written
                    .map_err(|error| Error::io("cannot write a user's marker file", &error))?,
            }
        }
        Ok(syncing)
    }

    /// Makes durable what was deleted.
    pub(super) fn sync(&self) -> Result<(), Error> {
        for folder in &self.folders {
            match files::sync_folder(folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(unsynced(folder, &error));
                }
                _ => (),
            }
        }
        Ok(())
    }

    /// The error of [`Syncing::finish`].
    pub(super) fn unsynced(&self, error: &io::Error) -> Error {
        let [folder, _] = &self.folders;
        unsynced(folder, error)
    }

    /// Warns once, and keeps the rest for those who look closer.
    fn warn(&self, line: fmt::Arguments<'_>) {
        if self.warned.replace(true) {
            self.log.debug(line);
        } else {
            self.log.warn(line);
        }
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
    pub(super) fn all(&self) -> Result<BTreeMap<String, Month>, Error> {
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
                for (_, why) in &found.useless {
                    match why {
                        // Who may not read them would take them for nobody's.
                        Why::Unreadable(error) => return Err(unreadable(error)),
                        Why::Damaged(_) => damaged += 1,
                    }
                }
                if let Some(month) = found.month {
                    all.insert(stem, month);
                }
            }
        }
        if damaged > 0 {
            self.warn(format_args!("{damaged} users' marker files are damaged"));
        }
        Ok(all)
    }

    fn find(&self, stem: &str) -> Result<Found, Error> {
        let mut found = Found::default();
        for folder in &self.folders {
            let path = folder.join(format!("{stem}.dat"));
            let bytes = match files::read(&path) {
                Ok(None) => continue,
                Ok(Some(bytes)) => bytes,
                Err(error) if is_of_one_file(&error) => {
                    found.useless.push((path, Why::Unreadable(error)));
                    continue;
                }
                Err(error) => return Err(unreadable(&error)),
            };
            match parse(&bytes) {
                Ok((fields, month)) => {
                    found.month = found.month.max(month);
                    if found.fields.is_empty() {
                        found.fields = fields;
                    }
                }
                Err(reason) => found.useless.push((path, Why::Damaged(reason))),
            }
        }
        Ok(found)
    }
}

/// Whether only this file is out of reach. If the others of its folder are as
/// well, it is better that all wait.
fn concerns_one_file(path: &Path, error: &io::Error) -> bool {
    is_of_one_file(error)
        && path
            .parent()
            .is_some_and(|folder| files::try_folder(folder).is_ok())
}

/// Whether an error may be that of one file, while others can be used.
fn is_of_one_file(error: &io::Error) -> bool {
    use nix::libc::{EACCES, EBUSY, EIO, EISDIR, ELOOP, ENOTDIR, ENOTEMPTY, EPERM};
    let own = [EACCES, EBUSY, EIO, EISDIR, ELOOP, ENOTDIR, ENOTEMPTY, EPERM];
    error.raw_os_error().is_some_and(|code| own.contains(&code))
}

fn unreadable(error: &io::Error) -> Error {
    Error::io("cannot read a user's marker file", error)
}

fn unsynced(folder: &Path, error: &io::Error) -> Error {
    Error::io(format!("cannot sync {}", folder.display()), error)
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
