//! How a recorder finds a sealed store, and what becomes of files that it
//! cannot use.

use super::Sealed;
use super::blob::{Damage, Kind, Seal};
use super::folder::{KeyFile, Part};
use super::month::OpenFile;
use crate::store::lock::Lock;
use crate::store::{MonthState, files};
use crate::{Error, Month, MonthKey};

impl Sealed {
    /// Takes the lock, reads the open months, and finishes what a killed process
    /// left half done.
    pub(super) fn start(&mut self) -> Result<(), Error> {
        self.folder.make()?;
        for folder in self.folder.all() {
            // Two stores with one folder of keys would destroy each other's.
            self.locks.push(Lock::acquire(&folder.join("lock"))?);
            files::remove_leftovers(folder)
                .map_err(|error| Error::io(format!("cannot clean {}", folder.display()), &error))?;
        }
        self.folder.move_keys()?;
        let closed = self.folder.months(Part::Json)?;
        let newest = closed.last().map_or(Month::FIRST, |month| month.plus(1));
        self.witnessed = self.folder.closed_before()?.unwrap_or_else(|reason| {
            self.log.error(reason);
            Month::FIRST
        });
        self.closed_before = newest.max(self.witnessed);
        let mut open = self.folder.months(Part::Key)?;
        open.extend(self.folder.months(Part::Sealed)?);
        open.extend(self.folder.months(Part::Fresh)?);
        for month in open {
            if closed.contains(&month) {
                // Interrupted while it was closed: the totals are final.
                self.remove_open(month)?;
                continue;
            }
            let file = self.load_month(month)?;
            if file.state.first.is_none() {
                self.closed_before = self.closed_before.max(month);
            }
            self.months.insert(month, file);
        }
        self.finish_months(self.closed_before)
    }

    /// Reads an open month; what cannot be used is set aside, and the month
    /// starts anew, incomplete.
    fn load_month(&self, month: Month) -> Result<OpenFile, Error> {
        let sealed = self.folder.read(month, Part::Sealed)?;
        let fresh = self.folder.read(month, Part::Fresh)?;
        let key = match self.folder.read_key(month)? {
            KeyFile::Key(key) => key,
            KeyFile::NoKey => {
                self.set_aside(month, Part::Key, "it is no key")?;
                return self.start_anew(month, sealed.is_some(), fresh.is_some());
            }
            KeyFile::Missing => return self.start_anew(month, sealed.is_some(), fresh.is_some()),
        };
        let state = MonthState {
            key,
            first: Some(month.start()),
        };
        let mut file = OpenFile::new(month, state.clone(), &self.realm);
        if sealed.is_none() && fresh.is_none() {
            // Interrupted before the first visit was written: its time is that of
            // a login to come. An earlier one would close other months too early.
            file.state.first = Some(i64::MAX);
            return Ok(file);
        }
        let seal = Seal::new(month, &state.key, self.realm.expose_secret());
        let size = sealed.as_ref().map_or(0, Vec::len);
        let whole = sealed.map(|bytes| {
            seal.open(bytes).and_then(|(kind, id, content)| match kind {
                Kind::Whole => file.take_whole(id, size, content),
                Kind::Since(_) => Err(Damage::Broken),
            })
        });
        let lost = match whole {
            Some(Ok(())) => None,
            Some(Err(Damage::ForeignKey)) => {
                self.set_aside(
                    month,
                    Part::Key,
                    "the month was written under another key or secret",
                )?;
                return self.start_anew(month, true, fresh.is_some());
            }
            Some(Err(Damage::Broken)) => {
                self.set_aside(month, Part::Sealed, "it is damaged")?;
                Some("the one that it adds to is damaged")
            }
            None => Some("the one that it adds to is missing"),
        };
        let Some(bytes) = fresh else {
            if lost.is_some() {
                file.rewrite_incomplete(&self.folder)?;
            }
            return Ok(file);
        };
        let size = bytes.len();
        let lost = lost.or_else(|| match seal.open(bytes) {
            Ok((Kind::Since(id), _, content)) if id == file.whole_id() => file
                .take_since(size, content)
                .err()
                .map(|_| "it is damaged"),
            // Written before the large file was: that has it all.
            Ok((Kind::Since(_), ..)) => None,
            Ok((Kind::Whole, ..)) | Err(_) => Some("it is damaged"),
        });
        if let Some(reason) = lost {
            self.set_aside(month, Part::Fresh, reason)?;
            file.rewrite_incomplete(&self.folder)?;
        }
        Ok(file)
    }

    /// A month whose files cannot be read any more, if it had any.
    fn start_anew(&self, month: Month, sealed: bool, fresh: bool) -> Result<OpenFile, Error> {
        for (part, exists) in [(Part::Sealed, sealed), (Part::Fresh, fresh)] {
            if exists {
                self.set_aside(month, part, "its key is missing or another")?;
            }
        }
        let state = MonthState {
            key: MonthKey::random()?,
            first: Some(month.start()),
        };
        let mut file = OpenFile::new(month, state, &self.realm);
        file.rewrite_incomplete(&self.folder)?;
        Ok(file)
    }

    fn set_aside(&self, month: Month, part: Part, why: &str) -> Result<(), Error> {
        let name = self.folder.set_aside(month, part)?;
        self.log.error(format_args!(
            "a file of {month} cannot be used, {why}; it is kept as {name}, and {month} is incomplete"
        ));
        Ok(())
    }
}
