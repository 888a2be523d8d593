//! The Prosody store, `prosody:DIR`: the files of the Lua plugin, so that
//! either can follow the other on the same directory.
//!
//! ```text
//! DIR/                              the host's data directory
//!   monthly%2dvisitors.dat          0640  totals
//!   monthly%2dvisitors/             0750
//!     juliet.dat                    0640  the month in which juliet counted last
//!   monthly%2dvisitors.lock         0640  held by the process that records
//!   monthly%2dvisitors.journal      0640  while a batch is applied, see `journal`
//!   monthly%2dvisitors.next         0640  the totals of that batch
//! ```
//!
//! What Prosody 0.10 and older wrote under `monthly-visitors` is read, too: the
//! totals if there are no newer ones, a user's mark if it is the later one.

mod apply;
mod journal;
mod markers;
mod names;
mod totals;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use self::journal::Pending;
use self::markers::{Changes, Kept, Mark, Markers};
use self::names::Names;
use self::totals::Sheet;
use super::lock::Lock;
use super::{
    Access, Batch, Character, Forgotten, Loaded, Marks, MonthCopy, Store, dat, files, visits,
};
use crate::{Error, KeptUser, Log, Month, Totals, now};

/// How often marks are read again because somebody was counted meanwhile.
const LOOKS: usize = 20;

/// The store in the files of Prosody.
///
/// A user's file that is damaged stops nobody: it is kept under another name,
/// and the user counts again. Totals that are damaged stop everything, and are
/// kept as they are.
#[derive(Debug)]
pub struct Prosody {
    names: Names,
    markers: Markers,
    log: Log,
    /// None when opened for reading.
    lock: Option<Lock>,
    /// The totals, as long as nobody else writes them.
    sheet: Option<Sheet>,
    /// There may be a journal.
    pending: bool,
    /// The log knows of what the totals hold besides counts.
    warned: bool,
}

impl Prosody {
    /// Opens the store in a host's data directory, such as
    /// `/var/lib/prosody/localhost`. To record, what a crash left is finished.
    ///
    /// # Errors
    ///
    /// The directory is not there; to record also: another process records into
    /// it, the totals cannot be read, or they are in the layout of the Lua
    /// plugin's later fork, to which nothing can be added.
    pub fn open(dir: &Path, access: Access, log: &Log) -> Result<Self, Error> {
        let folder = fs::metadata(dir)
            .map_err(|error| Error::io(format!("cannot open {}", dir.display()), &error))?;
        if !folder.is_dir() {
            return Err(Error::storage(
                format!("cannot open {}", dir.display()),
                "it is not a folder",
            ));
        }
        let names = Names::new(dir);
        let mut store = Self {
            markers: Markers::new(&names, log.clone()),
            names,
            log: log.clone(),
            lock: None,
            sheet: None,
            pending: false,
            warned: false,
        };
        if access == Access::Record {
            store.start()?;
        }
        Ok(store)
    }

    fn start(&mut self) -> Result<(), Error> {
        self.lock = Some(Lock::acquire(&self.names.lock())?);
        files::remove_leftovers(self.names.dir()).map_err(|error| {
            Error::io(
                format!("cannot open {}", self.names.dir().display()),
                &error,
            )
        })?;
        let users = self.names.users();
        files::make_folder(&users, 0o750)
            .map_err(|error| Error::io(format!("cannot make {}", users.display()), &error))?;
        self.pending = true;
        self.settle()?;
        self.sheet = Some(self.take_sheet()?);
        Ok(())
    }

    /// Refuses to change what was opened for reading, and finishes what an
    /// earlier call or process could not.
    fn prepare(&mut self) -> Result<(), Error> {
        let Some(lock) = &mut self.lock else {
            return Err(Error::read_only());
        };
        lock.keep()?;
        self.settle()
    }

    /// The totals, to be changed and given to `write`; read again if somebody
    /// else wrote them. Whoever fails in between leaves none.
    fn take_sheet(&mut self) -> Result<Sheet, Error> {
        let stamp = self.names.stamp();
        if let Some(sheet) = self.sheet.take().filter(|sheet| sheet.stamp == stamp) {
            return Ok(sheet);
        }
        let sheet = Sheet::read(&self.names)?;
        if sheet.is_nested() {
            return Err(Error::storage(
                format!("cannot add to {}", self.names.totals().display()),
                "it is in the layout of the plugin's later version; copy it into another store",
            ));
        }
        Ok(sheet)
    }

    /// The totals, the batch included that is being applied.
    fn read_sheet(&self) -> Result<Sheet, Error> {
        // Whoever records may finish while we look; then the file has it all.
        let pending = Pending::find(&self.names)?;
        let mut sheet = Sheet::read(&self.names)?;
        if let Pending::Totals(journal, next) = pending {
            if sheet.hash == journal.before {
                sheet.table = dat::parse(&next).map_err(|fault| {
                    let path = self.names.next_totals();
                    Error::storage(format!("cannot read {}", path.display()), fault)
                })?;
            }
        }
        Ok(sheet)
    }
}

impl Store for Prosody {
    fn character(&self) -> Character {
        Character {
            keeps_users: true,
            closes_months: false,
        }
    }

    fn load(&mut self) -> Result<Loaded, Error> {
        if self.lock.is_some() {
            self.prepare()?;
        }
        self.sheet = Some(self.take_sheet()?);
        Ok(Loaded {
            open: Vec::new(),
            closed_before: Month::FIRST,
        })
    }

    /// A visit counts when its month is later than the one in the user's file.
    fn commit(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        self.prepare()?;
        let (mut changes, mut kept) = (Changes::new(), Kept::new());
        let mut counted = Vec::new();
        if batch.visits.users().len() != batch.visits.len() {
            return Err(Error::Internal);
        }
        for (visit, user) in batch.visits.iter().zip(batch.visits.users()) {
            let stem = names::stem(user.as_user());
            if changes.contains_key(&stem) {
                continue;
            }
            match self.markers.last(&stem, &mut kept)? {
                Mark::Never => (),
                Mark::In(last) if last < batch.month => (),
                Mark::In(_) | Mark::Stuck => continue,
            }
            changes.insert(stem, batch.month);
            counted.push(visit);
        }
        if changes.is_empty() {
            return Ok(());
        }
        let mut sheet = self.take_sheet()?;
        for (key, count) in visits::count(counted.len(), counted.into_iter())? {
            let key = batch.visits.keys().key(key).ok_or(Error::Internal)?;
            sheet.add(batch.month, &key, count)?;
        }
        self.write(sheet, changes, &kept)
    }

    fn close_before(&mut self, _: Month) -> Result<(), Error> {
        Ok(())
    }

    fn totals(&mut self) -> Result<Totals, Error> {
        let (totals, unknown) = if self.lock.is_some() {
            self.settle()?;
            let sheet = self.take_sheet()?;
            self.sheet.insert(sheet).totals()
        } else {
            self.read_sheet()?.totals()
        };
        if unknown > 0 && !self.warned {
            self.warned = true;
            self.log.warn(format!(
                "{unknown} entries of the totals are not counts of a month; they are left alone"
            ));
        }
        Ok(totals)
    }

    fn purge(&mut self, before: Month) -> Result<Vec<Month>, Error> {
        self.prepare()?;
        let mut sheet = self.take_sheet()?;
        let gone = sheet.purge(before);
        if gone.is_empty() {
            self.sheet = Some(sheet);
        } else {
            self.write(sheet, Changes::new(), &Kept::new())?;
        }
        Ok(gone)
    }

    fn forget(&mut self, users: &[Forgotten]) -> Result<(), Error> {
        self.prepare()?;
        for forgotten in users {
            self.markers
                .remove(&names::stem(forgotten.user.as_user()))?;
        }
        self.markers.sync()
    }

    fn users(&mut self) -> Result<Vec<(KeptUser, Month)>, Error> {
        if self.lock.is_some() {
            self.settle()?;
        }
        let pending = Pending::find(&self.names)?;
        let mut all = self.markers.all()?;
        if let Pending::Totals(journal, _) | Pending::Marks(journal) = pending {
            for (stem, month) in journal.changes {
                let last = all.entry(stem).or_insert(month);
                *last = month.max(*last);
            }
        }
        let found = all.len();
        let users: Vec<_> = all
            .into_iter()
            .filter_map(|(stem, month)| Some((names::user(&stem)?, month)))
            .collect();
        if users.len() < found {
            self.log.warn(format!(
                "{} users cannot be listed: their names are too long for a file",
                found - users.len()
            ));
        }
        Ok(users)
    }

    /// Totals and marks are different files: they belong together when the
    /// totals are the same before and after the marks were read.
    fn export(&mut self, month: Month) -> Result<Option<MonthCopy>, Error> {
        for _ in 0..LOOKS {
            if self.lock.is_some() {
                self.settle()?;
            }
            let sheet = self.read_sheet()?;
            let mut totals = sheet.totals().0;
            let newest = totals.keys().next_back().copied();
            let Some(found) = totals.remove(&month) else {
                return Ok(None);
            };
            // A month of the future, from a clock that was wrong, does not
            // close this one.
            let newest =
                newest.map(|newest| Month::of(now()).map_or(newest, |day| newest.min(day)));
            let marks = if Some(month) >= newest {
                let users = self.users()?.into_iter();
                if self.read_sheet()?.table != sheet.table {
                    continue;
                }
                let users = users.filter(|(_, last)| *last == month);
                Marks::Users(users.map(|(user, _)| user).collect())
            } else {
                Marks::Closed
            };
            return Ok(Some(MonthCopy {
                counts: found.counts,
                incomplete: found.incomplete,
                marks,
            }));
        }
        Err(Error::storage(
            format!("cannot read {month}"),
            "users are counted faster than they can be read; try again when fewer come, or stop the server",
        ))
    }

    /// Users who come by name are marked, and nobody else is in this month.
    fn import(&mut self, month: Month, copy: &MonthCopy) -> Result<(), Error> {
        self.prepare()?;
        let (mut changes, mut kept) = (Changes::new(), Kept::new());
        match &copy.marks {
            Marks::Closed => (),
            Marks::Keyed(_) => {
                return Err(Error::storage(
                    format!("cannot copy {month}"),
                    "it is open, and its users are known by markers only, but this store needs names; copy it when it is closed",
                ));
            }
            Marks::Users(users) => {
                let listed: BTreeSet<String> = users
                    .iter()
                    .map(|user| names::stem(user.as_user()))
                    .collect();
                let marked = self.markers.all()?;
                let own =
                    |(stem, last): (&String, &Month)| *last == month && !listed.contains(stem);
                if marked.iter().any(own) {
                    return Err(Error::own_users(month));
                }
                for stem in listed {
                    match self.markers.last(&stem, &mut kept)? {
                        Mark::In(last) if last >= month => (),
                        Mark::Never | Mark::In(_) => {
                            changes.insert(stem, month);
                        }
                        Mark::Stuck => {
                            return Err(Error::storage(
                                format!("cannot copy {month}"),
                                "a user's marker file can neither be read nor replaced",
                            ));
                        }
                    }
                }
            }
        }
        if copy.incomplete {
            self.log.warn(format!(
                "{month} is incomplete, which this store cannot keep"
            ));
        }
        let mut sheet = self.take_sheet()?;
        sheet.replace(month, &copy.counts);
        self.write(sheet, changes, &kept)
    }
}

#[cfg(test)]
mod tests;
