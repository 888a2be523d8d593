//! Applies a batch of totals and marks, step by step, and finishes what a crash
//! left of one.

use std::fs;

use super::Prosody;
use super::journal::{Journal, Pending};
use super::markers::{Changes, Kept};
use super::names::Stamp;
use super::totals::Sheet;
use crate::Error;
use crate::store::dat;
use crate::store::files::{self, Syncing};

/// The steps in which a batch is applied, as `journal` explains them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Next,
    Journal,
    Totals,
    Marks,
    Sync,
    Done,
}

impl Step {
    pub(super) const ALL: [Self; 6] = [
        Self::Next,
        Self::Journal,
        Self::Totals,
        Self::Marks,
        Self::Sync,
        Self::Done,
    ];
}

impl Prosody {
    /// Finishes what an earlier call or process could not.
    pub(super) fn settle(&mut self) -> Result<(), Error> {
        if !self.pending {
            return Ok(());
        }
        let pending = Pending::find(&self.names)?;
        if !matches!(pending, Pending::Nothing) {
            // Markers are written only while there is a journal.
            files::remove_leftovers(&self.names.users())
                .map_err(|error| Error::io("cannot clean the users' folder", &error))?;
        }
        match pending {
            Pending::Nothing => self.give_up()?,
            Pending::GivenUp(reason) => {
                self.log.warn(format!(
                    "a batch of visits that a crash interrupted is not counted: {reason}"
                ));
                self.give_up()?;
            }
            Pending::Totals(journal, _) => {
                self.run(
                    &journal,
                    "",
                    None,
                    &[Step::Totals, Step::Marks, Step::Sync, Step::Done],
                )?;
            }
            Pending::Marks(journal) => {
                self.run(&journal, "", None, &[Step::Marks, Step::Sync, Step::Done])?;
            }
        }
        self.pending = false;
        Ok(())
    }

    /// Deletes a journal that is not followed. Its totals go after it: a
    /// journal without them would say that they are in place.
    fn give_up(&self) -> Result<(), Error> {
        self.remove_journal()?;
        let next = self.names.next_totals();
        files::remove(&next)
            .map(drop)
            .map_err(|error| Error::io(format!("cannot delete {}", next.display()), &error))
    }

    fn remove_journal(&self) -> Result<(), Error> {
        let path = self.names.journal();
        match files::remove(&path) {
            Ok(false) => Ok(()),
            Ok(true) => files::sync_folder(self.names.dir()),
            Err(error) => Err(error),
        }
        .map_err(|error| Error::io(format!("cannot delete {}", path.display()), &error))
    }

    /// Applies a batch, or those steps of it that are left. `text` is that of
    /// the new totals, for the first step; `kept` is what was just read of the
    /// users' files. Returns the state of the totals at the moment at which
    /// they were put in place.
    pub(super) fn run(
        &self,
        journal: &Journal,
        text: &str,
        kept: Option<&Kept>,
        steps: &[Step],
    ) -> Result<Option<Stamp>, Error> {
        let (mut stamp, mut syncing) = (None, None);
        let path = self.names.totals();
        let failed = |error| Error::io(format!("cannot write {}", path.display()), &error);
        for step in steps {
            match step {
                Step::Next => {
                    files::write_atomic(&self.names.next_totals(), text.as_bytes(), 0o640)
                        .map_err(failed)?;
                }
                // Who may read the totals must also see what is about to
                // become of them; the names are in the users' folder anyway.
                Step::Journal => {
                    files::write_atomic(&self.names.journal(), &journal.to_bytes(), 0o640)
                        .map_err(failed)?;
                }
                Step::Totals => {
                    fs::rename(self.names.next_totals(), &path).map_err(failed)?;
                    stamp = Some(self.names.stamp());
                    files::sync_folder(self.names.dir()).map_err(failed)?;
                }
                Step::Marks => syncing = Some(self.markers.apply(&journal.changes, kept)?),
                Step::Sync => syncing
                    .take()
                    .map_or(Ok(()), Syncing::finish)
                    .map_err(|error| self.markers.unsynced(&error))?,
                Step::Done => self.remove_journal()?,
            }
        }
        Ok(stamp)
    }

    /// Makes new totals and marks durable, both or neither.
    pub(super) fn write(
        &mut self,
        mut sheet: Sheet,
        changes: Changes,
        kept: &Kept,
    ) -> Result<(), Error> {
        let (journal, text) = plan(&sheet, changes);
        self.pending = true;
        let stamp = self.run(&journal, &text, Some(kept), &Step::ALL)?;
        self.pending = false;
        sheet.hash = Some(journal.after);
        // Whoever has written since is noticed before the next batch.
        sheet.stamp = stamp.ok_or(Error::Internal)?;
        self.sheet = Some(sheet);
        Ok(())
    }
}

/// What is to be written for new totals and marks.
pub(super) fn plan(sheet: &Sheet, changes: Changes) -> (Journal, String) {
    let text = dat::to_text(&sheet.table);
    let journal = Journal {
        before: sheet.hash,
        after: blake3::hash(text.as_bytes()),
        changes,
    };
    (journal, text)
}
