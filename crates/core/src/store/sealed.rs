//! The sealed store, `sealed:DIR`: one folder, encrypted while a month is open,
//! totals alone once it is closed.
//!
//! ```text
//! DIR/  0700
//!   2026-10.json    a closed month
//!   2026-11.sealed  an open month: its markers and counts, encrypted
//!   2026-11.fresh   the same for what came since
//!   2026-11.key     the key of this month alone, destroyed when it closes
//!   closed-before   the month before which all are closed
//!   lock            held by the process that records
//! ```

mod bits;
mod blob;
mod closed;
mod coded;
mod content;
mod folder;
#[cfg(fuzzing)]
pub mod fuzzing;
mod month;
mod reading;
mod start;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use self::folder::{Folder, Part};
use self::month::OpenFile;
use super::lock::Lock;
use super::{
    Access, Batch, Character, Forgotten, Loaded, Marks, MonthCopy, MonthState, OpenMonth, Store,
};
use crate::{Error, KeptUser, Log, Marker, Month, MonthKey, MonthTotals, Realm, Totals};

/// The native store of one server.
pub struct Sealed {
    folder: Folder,
    realm: Realm,
    log: Log,
    /// None when opened for reading.
    locks: Vec<Lock>,
    months: BTreeMap<Month, OpenFile>,
    closed_before: Month,
    /// What the file says of that.
    witnessed: Month,
}

impl Sealed {
    /// Opens the store in the folder `dir`, which is made if it is not there.
    /// Keys are in `key_dir`, if one is given.
    ///
    /// # Errors
    ///
    /// The folder cannot be read or, to record, written, or another process
    /// records into it.
    pub fn open(
        dir: &Path,
        key_dir: Option<&Path>,
        realm: &Realm,
        access: Access,
        log: &Log,
    ) -> Result<Self, Error> {
        let mut store = Self {
            folder: Folder::new(dir, key_dir),
            realm: realm.clone(),
            log: log.clone(),
            locks: Vec::new(),
            months: BTreeMap::new(),
            closed_before: Month::FIRST,
            witnessed: Month::FIRST,
        };
        match access {
            Access::Record => store.start()?,
            // Says now whether the folder can be read.
            Access::Read => store.folder.months(Part::Json).map(drop)?,
        }
        Ok(store)
    }

    /// Writes the totals of the months before `month`, and destroys the rest.
    fn finish_months(&mut self, month: Month) -> Result<(), Error> {
        while let Some((&first, file)) = self.months.range(..month).next() {
            let totals = file.totals();
            if !totals.counts.is_empty() || totals.incomplete {
                let bytes = closed::write(first, &totals.counts, totals.incomplete)?;
                self.folder.write(first, Part::Json, &bytes)?;
            }
            self.remove_open(first)?;
            self.months.remove(&first);
        }
        Ok(())
    }

    /// Keeps in mind that all months before this one are closed, also when the
    /// files of none of them are left.
    fn witness(&mut self, month: Month) -> Result<(), Error> {
        if month > self.witnessed {
            self.folder.write_closed_before(month)?;
            self.witnessed = month;
        }
        Ok(())
    }

    /// Destroys what leads to the users of a month.
    fn remove_open(&self, month: Month) -> Result<(), Error> {
        self.folder.destroy_keys(month)?;
        self.folder.remove(month, Part::Sealed)?;
        self.folder.remove(month, Part::Fresh)
    }

    fn must_be_writable(&mut self) -> Result<(), Error> {
        if self.locks.is_empty() {
            return Err(Error::read_only());
        }
        self.locks.iter_mut().try_for_each(Lock::keep)
    }
}

impl Store for Sealed {
    fn character(&self) -> Character {
        Character {
            keeps_users: false,
            closes_months: true,
        }
    }

    fn load(&mut self) -> Result<Loaded, Error> {
        let read;
        let months = if self.locks.is_empty() {
            read = self.read_months()?;
            &read
        } else {
            &self.months
        };
        for file in months.values() {
            file.check_host()?;
        }
        let open = months.iter().map(|(&month, file)| open_month(month, file));
        Ok(Loaded {
            open: open.collect(),
            closed_before: self.closed_before,
        })
    }

    fn commit(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        self.must_be_writable()?;
        let Batch { month, state, .. } = *batch;
        if month < self.closed_before {
            return Err(Error::MonthClosed(month));
        }
        let file = self
            .months
            .entry(month)
            .or_insert_with(|| OpenFile::new(month, state.clone(), &self.realm));
        if file.state.key != state.key {
            return Err(Error::storage(
                format_args!("cannot write {month}"),
                "it has another key",
            ));
        }
        file.state.first = state.first;
        file.add(batch, &self.folder)
    }

    fn close_before(&mut self, month: Month) -> Result<(), Error> {
        self.must_be_writable()?;
        // First: whatever comes between is finished at the next start.
        self.witness(month)?;
        self.finish_months(month)?;
        self.closed_before = self.closed_before.max(month);
        if let Some(file) = self.months.get_mut(&month) {
            file.settle(&self.folder)?;
        }
        Ok(())
    }

    fn totals(&mut self) -> Result<Totals, Error> {
        let mut totals = if self.locks.is_empty() {
            self.read_open_totals()?
        } else {
            let months = self
                .months
                .iter()
                .map(|(&month, file)| (month, file.totals()));
            months.collect()
        };
        totals.retain(|_, found| !found.counts.is_empty() || found.incomplete);
        // After the open ones: one that was closed in between is here.
        totals.extend(self.closed_totals()?);
        Ok(totals)
    }

    fn purge(&mut self, before: Month) -> Result<Vec<Month>, Error> {
        self.must_be_writable()?;
        let months = self.folder.months(Part::Json)?;
        let gone: Vec<Month> = months.range(..before).copied().collect();
        if let Some(last) = gone.last() {
            self.witness(last.plus(1).max(self.closed_before))?;
        }
        for &month in &gone {
            self.folder.remove(month, Part::Json)?;
        }
        Ok(gone)
    }

    fn forget(&mut self, users: &[Forgotten]) -> Result<(), Error> {
        self.must_be_writable()?;
        // All of a month together: each time its file is written anew.
        let mut markers: BTreeMap<Month, Vec<Marker>> = BTreeMap::new();
        for &(month, marker) in users.iter().flat_map(|user| &user.markers) {
            markers.entry(month).or_default().push(marker);
        }
        for (month, mut markers) in markers {
            if let Some(file) = self.months.get_mut(&month) {
                markers.sort_unstable();
                file.forget(&markers, &self.folder)?;
            }
        }
        // They may hold the user, and cannot be written again.
        for &month in self.months.keys() {
            let removed = self.folder.remove_aside(month)?;
            if removed > 0 {
                self.log.warn(format_args!(
                    "files of {month} that could not be used are deleted, {removed} of them: \
                     a user is to be forgotten who may be in them"
                ));
            }
        }
        Ok(())
    }

    fn users(&mut self) -> Result<Vec<(KeptUser, Month)>, Error> {
        Ok(Vec::new())
    }

    fn export(&mut self, month: Month) -> Result<Option<MonthCopy>, Error> {
        let read;
        let open = if self.locks.is_empty() {
            read = self.read_month(month)?;
            read.as_ref()
        } else {
            self.months.get(&month)
        };
        let (totals, marks) = match open {
            Some(file) => {
                file.check_host()?;
                (file.totals(), Marks::Keyed(open_month(month, file)))
            }
            None => match self.closed_month(month)? {
                Some(totals) => (totals, Marks::Closed),
                None => return Ok(None),
            },
        };
        Ok(Some(MonthCopy {
            counts: totals.counts,
            incomplete: totals.incomplete,
            marks,
        }))
    }

    fn import(&mut self, month: Month, copy: &MonthCopy) -> Result<(), Error> {
        self.must_be_writable()?;
        let (state, markers) = match &copy.marks {
            Marks::Closed => {
                let bytes = closed::write(month, &copy.counts, copy.incomplete)?;
                self.folder.write(month, Part::Json, &bytes)?;
                self.remove_open(month)?;
                self.months.remove(&month);
                return Ok(());
            }
            Marks::Keyed(open) => (open.state.clone(), Arc::clone(&open.markers)),
            Marks::Users(users) => {
                // Under the key that is there, so that the two can be compared.
                let state = match self.months.get(&month) {
                    Some(file) => file.state.clone(),
                    None => MonthState {
                        key: MonthKey::random()?,
                        first: Some(month.start()),
                    },
                };
                let marking = self.realm.marking(&state.key);
                let mut markers: Vec<Marker> = users
                    .iter()
                    .map(|user| marking.of(user.as_user()))
                    .collect();
                markers.sort();
                markers.dedup();
                (state, Arc::new(markers))
            }
        };
        if let Some(file) = self.months.get(&month) {
            if !file
                .markers()
                .all(|marker| markers.binary_search(&marker).is_ok())
            {
                return Err(Error::own_users(month));
            }
        }
        let totals = MonthTotals {
            counts: copy.counts.clone(),
            open: true,
            incomplete: copy.incomplete,
        };
        let mut file = OpenFile::with(month, state, &self.realm, totals, &markers)?;
        file.rewrite(&self.folder)?;
        self.months.insert(month, file);
        Ok(())
    }
}

fn open_month(month: Month, file: &OpenFile) -> OpenMonth {
    OpenMonth {
        month,
        state: file.state.clone(),
        markers: Arc::new(file.list()),
    }
}

#[cfg(test)]
mod tests;
