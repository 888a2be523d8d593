//! The recorder's lock: at most one process, and one counter in it, records
//! into a store.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::IntoRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use crate::Error;
use crate::sync::Mutex;

/// Device and inode of a lock file: the same however its path is written.
type FileId = (u64, u64);

/// The lock files that are held, each with the process that holds it.
///
/// A POSIX lock ends when its process closes *any* descriptor of the file, so
/// one that is in here must not even be opened. After a `fork` the entries of
/// the parent are here too; the process number tells that they are not ours.
static HELD: Mutex<BTreeMap<FileId, u32>> = Mutex::new(BTreeMap::new());

/// A lock file that this process holds; released when dropped.
///
/// The lock is a POSIX record lock (`fcntl`, `F_SETLK`) because a `fork` does
/// not inherit one: dropped in the child of a fork, this does nothing to the
/// parent's lock, and the child cannot acquire it as long as the parent lives.
/// It ends with the process, however that ends; the file stays.
#[derive(Debug)]
pub(crate) struct Lock {
    /// Taken out only to be closed.
    file: Option<File>,
    path: PathBuf,
    id: FileId,
    owner: u32,
    /// What is written into it while it is held: the process, its name, and a
    /// number that nobody else has drawn. In containers all processes are alike.
    text: String,
}

impl Lock {
    /// Takes the lock at `path`, and makes the file if there is none.
    ///
    /// # Errors
    ///
    /// Another process or counter holds it; the message says which process.
    pub(crate) fn acquire(path: &Path) -> Result<Self, Error> {
        let failed =
            |error: &io::Error| Error::io(format!("cannot lock {}", path.display()), error);
        let me = process::id();
        // Held by others for as long as it takes to open a file; the limit is
        // for the child of a fork that came in just that moment.
        let Some(mut held) = HELD.try_lock_for(Duration::from_secs(10)) else {
            return Err(failed(&io::ErrorKind::WouldBlock.into()));
        };
        let mine = fs::metadata(path).is_ok_and(|found| held.get(&id_of(&found)) == Some(&me));
        if mine {
            return Err(in_use(me, &program(me)));
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o640)
            .open(path)
            .map_err(|error| failed(&error))?;
        match fcntl(&file, FcntlArg::F_SETLK(&whole_file())) {
            Ok(_) => (),
            Err(Errno::EAGAIN | Errno::EACCES) => return Err(held_by_another(&mut file)),
            Err(errno) => return Err(failed(&errno.into())),
        }
        let found = file.metadata().map_err(|error| failed(&error))?;
        let drawn = getrandom::u64().map_err(|error| failed(&io::Error::other(error)))?;
        let text = format!("{me} {}\n{drawn:016x}\n", program(me));
        sign(&mut file, &text).map_err(|error| failed(&error))?;
        let id = id_of(&found);
        held.insert(id, me);
        Ok(Self {
            file: Some(file),
            path: path.into(),
            id,
            owner: me,
            text,
        })
    }

    /// Takes the lock again if it has ended because the host closed its
    /// descriptor, as daemons close all that they do not know, or another of the
    /// same file.
    ///
    /// # Errors
    ///
    /// It cannot be had, or somebody else had it meanwhile: what the store has
    /// is then not what this process takes it to be.
    pub(crate) fn keep(&mut self) -> Result<(), Error> {
        let failed =
            |error: &io::Error| Error::io(format!("cannot lock {}", self.path.display()), error);
        // As an entry of this process stands for it, nobody else here opens the
        // file: a disk that hangs under another store holds nobody up.
        if !self.is_open() {
            let file = OpenOptions::new().read(true).write(true).open(&self.path);
            let file = file.map_err(|error| failed(&error))?;
            if let Some(old) = self.file.replace(file) {
                // Whatever has this number now is the host's.
                let _ = old.into_raw_fd();
            }
        }
        let Some(file) = &mut self.file else {
            return Err(Error::Internal);
        };
        // On one that is held already, this changes nothing.
        match fcntl(&*file, FcntlArg::F_SETLK(&whole_file())) {
            Ok(_) => (),
            Err(Errno::EAGAIN | Errno::EACCES) => return Err(held_by_another(file)),
            Err(errno) => return Err(failed(&errno.into())),
        }
        let mut text = String::new();
        let read = file
            .rewind()
            .and_then(|()| (&*file).take(200).read_to_string(&mut text));
        read.map_err(|error| failed(&error))?;
        if text != self.text || !self.is_open() {
            return Err(Error::storage(
                "cannot record",
                "this process has lost the lock of the store, and another has recorded since",
            ));
        }
        Ok(())
    }

    /// Whether the descriptor is still that of the lock file.
    fn is_open(&self) -> bool {
        let found = self.file.as_ref().map(File::metadata);
        found.is_some_and(|found| found.is_ok_and(|found| id_of(&found) == self.id))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // In the child of a fork neither the entry nor the text is ours, and
        // closing the file there leaves the parent's lock as it is.
        if self.owner != process::id() {
            return;
        }
        let mut held = HELD.lock();
        let open = self.is_open();
        if let Some(mut file) = self.file.take() {
            if open {
                // A stale text harms nobody: the lock decides, not the text.
                let _ = sign(&mut file, "");
            } else {
                // The host has closed all descriptors, as daemons do. Whatever
                // has this number now is its own: not to be written, nor closed.
                let _ = file.into_raw_fd();
            }
        }
        // Only now that the file is closed: closing it later would end the
        // lock of whoever opened it in between.
        held.remove(&self.id);
    }
}

/// A write lock on all of a file.
#[allow(
    clippy::cast_possible_truncation,
    reason = "the system's constants fit into the fields that are made for them"
)]
fn whole_file() -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

/// Writes who holds the lock, for those who are refused.
fn sign(file: &mut File, text: &str) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(text.as_bytes())
}

fn id_of(file: &fs::Metadata) -> FileId {
    (file.dev(), file.ino())
}

/// The refusal when another process has locked `file`.
fn held_by_another(file: &mut File) -> Error {
    let mut text = String::new();
    // A text that cannot be read only makes the message shorter.
    let _ = file.rewind();
    let _ = (&*file).take(200).read_to_string(&mut text);
    let first = text.lines().next().unwrap_or_default();
    let (signed, name) = first.split_once(' ').unwrap_or_default();
    let mut lock = whole_file();
    let holder = fcntl(&*file, FcntlArg::F_GETLK(&mut lock))
        .ok()
        .and_then(|_| u32::try_from(lock.l_pid).ok())
        .filter(|&process| process > 0);
    match (holder, signed.parse::<u32>()) {
        (Some(holder), Ok(signed)) if holder == signed => in_use(holder, name),
        (Some(holder), _) => in_use(holder, &program(holder)),
        // A process that this one cannot see, in another container.
        (None, Ok(signed)) => in_use(signed, name),
        (None, Err(_)) => Error::storage("the store is in use", "by another process"),
    }
}

fn in_use(process: u32, name: &str) -> Error {
    let name = if name.is_empty() {
        String::new()
    } else {
        format!(" ({name})")
    };
    Error::storage(
        "cannot record",
        format!("the store is in use by process {process}{name}"),
    )
}

/// The name of a running program, as far as the system tells.
fn program(process: u32) -> String {
    fs::read_to_string(format!("/proc/{process}/comm"))
        .map(|name| name.trim_end().replace(char::is_control, "?"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn two_in_one_process_exclude_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = Lock::acquire(&path).unwrap();
        let me = process::id();
        let expected = format!(
            "cannot record: the store is in use by process {me} ({})",
            program(me)
        );
        // Under another name of the same file, too.
        std::os::unix::fs::symlink(folder.path(), folder.path().join("link")).unwrap();
        for path in [&path, &folder.path().join("link/lock")] {
            assert_eq!(Lock::acquire(path).unwrap_err().to_string(), expected);
        }
        drop(first);
        Lock::acquire(&path).unwrap();
        Lock::acquire(&path).unwrap();
    }

    /// Started by itself as a second process, this test tries the lock and
    /// prints what comes of it.
    #[test]
    fn another_process_is_refused_until_the_lock_is_dropped() {
        const PATH: &str = "MONTHLY_VISITORS_TEST_LOCK";
        if let Some(path) = std::env::var_os(PATH) {
            match Lock::acquire(path.as_ref()) {
                Ok(_) => println!("acquired"),
                Err(error) => println!("refused, {error}"),
            }
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let other = || {
            let output = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "--nocapture"])
                .arg("store::lock::tests::another_process_is_refused_until_the_lock_is_dropped")
                .env(PATH, &path)
                .output()
                .unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        let me = process::id();
        let refusal = format!("in use by process {me} ({})", program(me));
        let mut lock = Lock::acquire(&path).unwrap();
        assert!(other().contains(&refusal), "{}", other());
        // A refused second counter of this process must not end the lock.
        assert!(Lock::acquire(&path).is_err());
        assert!(other().contains(&refusal));
        // Reading the file does; at the next write the lock is there again.
        fs::read(&path).unwrap();
        lock.keep().unwrap();
        assert!(other().contains(&refusal));
        drop(lock);
        assert!(other().contains("acquired"), "{}", other());
    }

    #[test]
    fn a_lock_that_the_host_has_ended_is_taken_again_unless_another_had_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let mut lock = Lock::acquire(&path).unwrap();
        lock.keep().unwrap();
        // The host looks into the file, and closes it.
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with(&format!("{} ", process::id())), "{text}");
        lock.keep().unwrap();
        // Another recorded, with the same number and name, and was killed.
        let (line, _) = text.split_once('\n').unwrap();
        fs::write(&path, format!("{line}\n0123456789abcdef\n")).unwrap();
        let message = lock.keep().unwrap_err().to_string();
        assert!(message.contains("another has recorded since"), "{message}");
        assert!(lock.keep().is_err());
    }

    #[test]
    fn what_a_fork_brings_along_is_nobody_elses() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let mut lock = Lock::acquire(&path).unwrap();
        // As it looks in the child: the lock and its entry are another's.
        let parent = process::id() + 1;
        lock.owner = parent;
        HELD.lock().insert(lock.id, parent);
        let id = lock.id;
        drop(lock);
        assert!(
            !fs::read(&path).unwrap().is_empty(),
            "the parent's name was erased"
        );
        assert_eq!(HELD.lock().get(&id), Some(&parent));
        // The entry refuses nothing: the system's lock decides.
        Lock::acquire(&path).unwrap();
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let message = Lock::acquire(&folder.path().join("no/lock"))
            .unwrap_err()
            .to_string();
        assert!(message.starts_with("cannot lock ") && message.contains("no/lock"));
    }
}
