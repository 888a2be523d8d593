//! What the files of the store are called.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::{KeptUser, User};

/// The longest file name that Linux's file systems take, without `.dat`.
const MAX_STEM: usize = 255 - 4;

/// How the names of the files begin that stand for a name which is too long.
/// No encoded name looks like this, as `%lo` is not the code of a byte.
const LONG: &str = "%long-";

/// The paths in a host's data directory.
///
/// Prosody 0.11 began to encode the name of the store as it always encoded
/// those of users; what 0.10 and older wrote has the plain name.
#[derive(Debug)]
pub(super) struct Names {
    dir: PathBuf,
}

impl Names {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.into() }
    }

    /// The data directory.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn totals(&self) -> PathBuf {
        self.dir.join("monthly%2dvisitors.dat")
    }

    pub(super) fn old_totals(&self) -> PathBuf {
        self.dir.join("monthly-visitors.dat")
    }

    /// The totals of a batch that is being applied.
    pub(super) fn next_totals(&self) -> PathBuf {
        self.dir.join("monthly%2dvisitors.next")
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.dir.join("monthly%2dvisitors.journal")
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.dir.join("monthly%2dvisitors.lock")
    }

    /// The folder of the users' markers.
    pub(super) fn users(&self) -> PathBuf {
        self.dir.join("monthly%2dvisitors")
    }

    pub(super) fn old_users(&self) -> PathBuf {
        self.dir.join("monthly-visitors")
    }

    /// What changes when somebody writes the totals.
    pub(super) fn stamp(&self) -> Stamp {
        Stamp([self.totals(), self.old_totals()].map(|path| {
            let file = fs::metadata(path).ok()?;
            Some([
                i64::try_from(file.ino()).ok()?,
                i64::try_from(file.size()).ok()?,
                file.mtime(),
                file.mtime_nsec(),
                file.ctime(),
                file.ctime_nsec(),
            ])
        }))
    }
}

/// Tells one version of the totals' files from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp([Option<[i64; 6]>; 2]);

/// The name of a user's file, without `.dat`: every byte outside `[A-Za-z0-9]`
/// as `%xx`.
///
/// A name for which that is too long, and which Prosody could not keep, gets
/// the name of its hash: the user counts, but is not listed.
pub(super) fn stem(user: User<'_>) -> String {
    let name = user.expose();
    let stem = encode(name);
    if stem.len() <= MAX_STEM {
        stem
    } else {
        format!("{LONG}{}", blake3::hash(name).to_hex())
    }
}

/// The user of a file with this name, without `.dat`; `None` for a long name
/// and for a file that is not one of ours.
pub(super) fn user(stem: &str) -> Option<KeptUser> {
    let mut name = Vec::new();
    let mut bytes = stem.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || char::from(bytes.next()?).to_digit(16);
            name.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
        } else {
            name.push(byte);
        }
    }
    let user = User::new(&name).ok()?;
    // Another way to write the name would not be found when the user logs in.
    (encode(user.expose()) == stem).then(|| user.into())
}

/// Whether a file may have this name.
pub(super) fn is_stem(stem: &str) -> bool {
    is_long(stem) || user(stem).is_some()
}

/// Whether this is the name of a file for a name that is too long.
pub(super) fn is_long(stem: &str) -> bool {
    stem.strip_prefix(LONG)
        .is_some_and(|hash| blake3::Hash::from_hex(hash).is_ok())
}

fn encode(name: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or('0');
    let mut stem = String::with_capacity(name.len());
    for &byte in name {
        if byte.is_ascii_alphanumeric() {
            stem.push(char::from(byte));
        } else {
            stem.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    stem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_as_prosody_does_and_decoded() {
        for (name, expected) in [
            ("juliet", "juliet"),
            ("Juliet9", "Juliet9"),
            ("a.b", "a%2eb"),
            ("x@y", "x%40y"),
            ("user%x", "user%25x"),
            ("a_b-c", "a%5fb%2dc"),
            ("ü", "%c3%bc"),
            ("日本", "%e6%97%a5%e6%9c%ac"),
            ("../../etc", "%2e%2e%2f%2e%2e%2fetc"),
        ] {
            let kept = User::new(name.as_bytes()).unwrap();
            assert_eq!(stem(kept), expected);
            assert_eq!(user(expected).unwrap().as_user(), kept, "{name}");
        }
    }

    #[test]
    fn other_files_belong_to_nobody() {
        for name in [
            "", "a.b", "a%2Eb", "a%2", "a%", "%zz", "%00", "%ff", "a%41", ".", "a/b",
        ] {
            assert!(!is_stem(name), "{name}");
        }
    }

    #[test]
    fn a_name_that_is_too_long_has_a_file_of_its_own() {
        let long = |last: &str| "é".repeat(41) + "abcde" + last;
        for (name, fits) in [
            ("x".repeat(251), true),
            ("x".repeat(252), false),
            (long(""), true),
            (long("x"), false),
        ] {
            let stem = stem(User::new(name.as_bytes()).unwrap());
            assert!(stem.len() <= 251 && is_stem(&stem));
            assert_eq!(user(&stem).is_some(), fits);
            assert_eq!(is_long(&stem), !fits);
        }
        let stem_of = |name: &str| stem(User::new(name.as_bytes()).unwrap());
        assert_ne!(stem_of(&long("x")), stem_of(&long("y")));
    }
}
