//! The journal: what makes a batch of visits all or nothing.
//!
//! Totals and markers are different files. So that a crash leaves either all
//! of a batch or nothing of it, it is applied in steps:
//!
//! 1. the new totals are written to `monthly%2dvisitors.next`;
//! 2. the journal is written: from here on, the batch will be applied;
//! 3. `.next` is renamed to `monthly%2dvisitors.dat`;
//! 4. the markers are written;
//! 5. they are synced, each by itself or all together;
//! 6. the journal is deleted.
//!
//! Whoever opens the store next finds the journal and goes on. Whether step 3
//! is done shows in `.next` being gone, whoever else wrote since. If it is not
//! done, and the totals are no longer those of the time before, somebody else
//! has counted: the batch is given up, as if the crash had come before step 2.
//!
//! ```text
//! monthly-visitors journal 1
//! before 5c2f…                 the hash of the totals before, or "none"
//! after 9b01…                  the hash of the totals in .next
//! mark 2026-11 juliet          a user's file, without .dat, and its new month
//! end 77aa…                    the hash of all lines above
//! ```
//!
//! Hashes are BLAKE3. A journal whose last line is wrong never was complete.

use blake3::Hash;

use super::markers::Changes;
use super::names::{self, Names};
use super::totals;
use crate::store::files;
use crate::{Error, Month};

const TITLE: &str = "monthly-visitors journal 1";

/// A batch that is being applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Journal {
    /// The hash of the totals before it; `None` if there was no file.
    pub before: Option<Hash>,
    /// The hash of the totals with it.
    pub after: Hash,
    /// The users' new marks.
    pub changes: Changes,
}

/// What a crash, or a process that still works at it, has left to do.
#[derive(Debug)]
pub(super) enum Pending {
    /// Nothing.
    Nothing,
    /// A journal that is not to be followed, and why.
    GivenUp(&'static str),
    /// All from the totals on, whose new bytes are these.
    Totals(Journal, Vec<u8>),
    /// The marks: the totals are in place.
    Marks(Journal),
}

impl Pending {
    /// Finds out by looking at the files; changes nothing.
    pub(super) fn find(names: &Names) -> Result<Self, Error> {
        let failed =
            |error| Error::io(format!("cannot read {}", names.journal().display()), &error);
        let Some(bytes) = files::read(&names.journal()).map_err(failed)? else {
            return Ok(Self::Nothing);
        };
        let Some(journal) = Journal::from_bytes(&bytes) else {
            return Ok(Self::GivenUp("it is damaged"));
        };
        let Some(next) = files::read(&names.next_totals()).map_err(failed)? else {
            return Ok(Self::Marks(journal));
        };
        if blake3::hash(&next) != journal.after {
            return Ok(Self::GivenUp("its totals are damaged"));
        }
        if totals::hash(names)? != journal.before {
            return Ok(Self::GivenUp("somebody else has counted since"));
        }
        Ok(Self::Totals(journal, next))
    }
}

impl Journal {
    /// The bytes of the file.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let before = self.before.map_or("none".into(), |hash| hash.to_string());
        let head = format!("{TITLE}\nbefore {before}\nafter {}\n", self.after);
        let changes = self.changes.iter();
        let changes = changes.map(|(stem, month)| format!("mark {month} {stem}\n"));
        let mut text: String = std::iter::once(head).chain(changes).collect();
        let end = blake3::hash(text.as_bytes());
        text.extend(["end ", end.to_hex().as_str(), "\n"]);
        text.into_bytes()
    }

    /// What the bytes of a file say; `None` if they are not a whole journal.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (above, end) = text.strip_suffix('\n')?.rsplit_once('\n')?;
        let above = text.get(..=above.len())?;
        if blake3::hash(above.as_bytes()).to_string() != end.strip_prefix("end ")? {
            return None;
        }
        let mut lines = above.lines();
        if lines.next()? != TITLE {
            return None;
        }
        let before = match lines.next()?.strip_prefix("before ")? {
            "none" => None,
            hash => Some(Hash::from_hex(hash).ok()?),
        };
        let after = Hash::from_hex(lines.next()?.strip_prefix("after ")?).ok()?;
        let changes = lines.map(change).collect::<Option<Changes>>()?;
        Some(Self {
            before,
            after,
            changes,
        })
    }
}

/// A line that says a new mark.
fn change(line: &str) -> Option<(String, Month)> {
    let (month, stem) = line.strip_prefix("mark ")?.split_once(' ')?;
    let month = month.parse().ok()?;
    names::is_stem(stem).then(|| (stem.into(), month))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal() -> Journal {
        Journal {
            before: None,
            after: blake3::hash(b"after"),
            changes: Changes::from([
                ("juliet".into(), "2026-11".parse().unwrap()),
                ("a%2eb".into(), "2026-10".parse().unwrap()),
            ]),
        }
    }

    #[test]
    fn a_journal_is_read_as_it_was_written() {
        let mut journal = journal();
        assert_eq!(
            Journal::from_bytes(&journal.to_bytes()),
            Some(journal.clone())
        );
        journal.before = Some(blake3::hash(b"before"));
        journal.changes.clear();
        assert_eq!(
            Journal::from_bytes(&journal.to_bytes()),
            Some(journal.clone())
        );
    }

    #[test]
    fn a_torn_or_changed_journal_is_none() {
        let bytes = journal().to_bytes();
        for len in 0..bytes.len() {
            assert_eq!(Journal::from_bytes(&bytes[..len]), None, "{len} bytes");
            let mut changed = bytes.clone();
            changed[len] ^= 1;
            assert_eq!(Journal::from_bytes(&changed), None, "byte {len}");
        }
    }

    #[test]
    fn a_journal_cannot_lead_out_of_the_folder() {
        let mut journal = journal();
        journal
            .changes
            .insert("../x".into(), "2026-11".parse().unwrap());
        assert_eq!(Journal::from_bytes(&journal.to_bytes()), None);
    }
}
