//! Files that are replaced as a whole: the old one or the new one is there,
//! never half of one.

use std::fs::{self, DirBuilder, File, FileTimes, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use nix::unistd::{AccessFlags, access};

/// How the names of temporary files begin. They do not contain the name of the
/// file they become, so a long name stays possible.
const TEMPORARY: &str = ".monthly-visitors-";

/// Replaces the file at `path` by one with these bytes and this mode, whatever
/// the umask is. When it returns, the file survives a loss of power; when it
/// fails, the old file is there as before, unless only the folder could not be
/// synced.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    write_synced(path, bytes, mode)?;
    sync_folder(folder_of(path))
}

/// Like [`write_atomic`], but the folder is yet to be synced by the caller, who
/// writes several files into it.
pub(crate) fn write_synced(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let (temporary, file) = Temporary::write(folder_of(path), bytes, mode)?;
    file.sync_all()?;
    temporary.rename(path)
}

/// Like [`write_atomic`], but nothing is synced: a loss of power may leave an
/// empty file. For many files, made durable together by [`Syncing`].
pub(crate) fn write_unsynced(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let (temporary, _) = Temporary::write(folder_of(path), bytes, mode)?;
    temporary.rename(path)
}

/// Like [`write_atomic`], but neither the file nor its folder tells when: both
/// get this time of modification instead.
pub(crate) fn write_dated(
    path: &Path,
    bytes: &[u8],
    mode: u32,
    time: SystemTime,
) -> io::Result<()> {
    let (temporary, file) = Temporary::write(folder_of(path), bytes, mode)?;
    file.set_times(times(time))?;
    file.sync_all()?;
    temporary.rename(path)?;
    date_folder(path, time)?;
    sync_folder(folder_of(path))
}

/// Gives the folder of the file at `path`, in which something has changed, this
/// time of modification, if it is ours.
pub(crate) fn date_folder(path: &Path, time: SystemTime) -> io::Result<()> {
    let folder = File::open(folder_of(path))?;
    // Only its owner can; whoever else it belongs to has given us the right to
    // write into it, and no more.
    let _ = folder.set_times(times(time));
    Ok(())
}

fn times(time: SystemTime) -> FileTimes {
    FileTimes::new().set_modified(time).set_accessed(time)
}

/// Makes durable what files are in `folder`, and under which names.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Makes durable what is about to be written.
///
/// Opened before that: an error of the disk in between is told to those who had
/// something open.
pub(crate) struct Syncing {
    folder: File,
    filesystem: bool,
}

impl Syncing {
    /// What files are in `folder` and under which names or, with `filesystem`,
    /// all that is written to the file system that it is on.
    pub(crate) fn begin(folder: &Path, filesystem: bool) -> io::Result<Self> {
        Ok(Self {
            folder: File::open(folder)?,
            filesystem,
        })
    }

    pub(crate) fn finish(self) -> io::Result<()> {
        if self.filesystem {
            Ok(nix::unistd::syncfs(self.folder)?)
        } else {
            self.folder.sync_all()
        }
    }
}

/// Whether files can be made in `folder`, and reach the disk.
pub(crate) fn try_folder(folder: &Path) -> io::Result<()> {
    let (_temporary, file) = Temporary::write(folder, b"?", 0o600)?;
    file.sync_all()
}

/// Deletes `path`, and says whether there was something to delete.
pub(crate) fn remove(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Reads the file at `path`; `None` if there is none.
pub(crate) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads the first `len` bytes of the file at `path`, or all if it has fewer;
/// `None` if there is none.
pub(crate) fn read_start(path: &Path, len: usize) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut bytes = Vec::with_capacity(len);
    file.take(len as u64).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Makes the folder at `path` with this mode, whatever the umask is, unless it
/// is there. Its own folder must be.
pub(crate) fn make_folder(path: &Path, mode: u32) -> io::Result<()> {
    // Never open to more people, not even for a moment.
    match DirBuilder::new().mode(mode & 0o700).create(path) {
        Ok(()) => {
            fs::set_permissions(path, Permissions::from_mode(mode))?;
            sync_folder(folder_of(path))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether nothing is at `path`.
pub(crate) fn is_missing(path: &Path) -> bool {
    fs::metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Fails unless this account may make files in `folder`.
pub(crate) fn may_write(folder: &Path) -> io::Result<()> {
    Ok(access(folder, AccessFlags::W_OK | AccessFlags::X_OK)?)
}

/// Deletes the temporary files that killed processes left in `folder`. Only for
/// whoever holds the lock of the store: to others they may belong to a live one.
pub(crate) fn remove_leftovers(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(TEMPORARY) && name.ends_with(".tmp") {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// The folder that a file is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A file that is on its way to its name; deleted if it does not get there.
struct Temporary {
    path: Option<PathBuf>,
}

impl Temporary {
    fn write(folder: &Path, bytes: &[u8], mode: u32) -> io::Result<(Self, File)> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("{TEMPORARY}{}-{number}.tmp", process::id()));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            // Never open to more people than the finished file, not even for
            // a moment.
            .mode(mode & 0o600)
            .open(&path)?;
        let temporary = Self { path: Some(path) };
        file.set_permissions(Permissions::from_mode(mode))?;
        file.write_all(bytes)?;
        Ok((temporary, file))
    }

    fn rename(mut self, to: &Path) -> io::Result<()> {
        if let Some(path) = &self.path {
            fs::rename(path, to)?;
        }
        self.path = None;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // The failure that led here is the one worth reporting.
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn replaces_bytes_and_mode_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "a much longer old text").unwrap();
        for (text, mode, write) in [
            ("one", 0o640, write_atomic as fn(&Path, &[u8], u32) -> _),
            ("two", 0o600, write_synced),
            ("three", 0o666, write_unsynced),
        ] {
            write(&path, text.as_bytes(), mode).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            let permissions = fs::metadata(&path).unwrap().permissions();
            assert_eq!(permissions.mode() & 0o777, mode, "{text}");
        }
        assert_eq!(names(folder.path()), ["a"]);
    }

    #[test]
    fn a_failure_keeps_the_old_and_removes_the_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        // A file cannot be renamed onto a folder that has something in it.
        let path = folder.path().join("a");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("inside"), "").unwrap();
        assert!(write_atomic(&path, b"new", 0o600).is_err());
        assert_eq!(names(folder.path()), ["a"]);
        assert_eq!(names(&path), ["inside"]);
    }

    #[test]
    fn leftovers_are_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (leftover, _) = Temporary::write(folder.path(), b"torn", 0o600).unwrap();
        std::mem::forget(leftover);
        for name in ["a.dat", ".monthly-visitors-notes", "x.tmp"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(names(folder.path()).len(), 4);
        remove_leftovers(folder.path()).unwrap();
        assert_eq!(
            names(folder.path()),
            [".monthly-visitors-notes", "a.dat", "x.tmp"]
        );
    }

    #[test]
    fn a_folder_gets_its_mode_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("inner");
        make_folder(&path, 0o750).unwrap();
        let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o750);
        fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
        make_folder(&path, 0o750).unwrap();
        assert_eq!(mode(&path), 0o700, "the administrator's choice stays");
    }
}
