//! Totals from the files, also while another process changes them.

use std::collections::{BTreeMap, BTreeSet};

use super::Sealed;
use super::blob::{self, Damage, Kind, Seal};
use super::closed;
use super::folder::{KeyFile, Part};
use super::month::OpenFile;
use crate::store::MonthState;
use crate::{Error, Month, MonthKey, MonthTotals, Totals};

/// How often a reader looks again when the recorder changed the files between
/// two looks. It changes them once in a flush interval.
const LOOKS: usize = 100;

impl Sealed {
    /// The totals of the closed months. One that cannot be read is reported as
    /// incomplete, and kept as it is.
    pub(super) fn closed_totals(&self) -> Result<Totals, Error> {
        let mut totals = Totals::new();
        for month in self.folder.months(Part::Json)? {
            totals.extend(self.closed_month(month)?.map(|found| (month, found)));
        }
        Ok(totals)
    }

    /// The totals of a month, if it is closed.
    pub(super) fn closed_month(&self, month: Month) -> Result<Option<MonthTotals>, Error> {
        let bytes = self.folder.read(month, Part::Json)?;
        Ok(bytes.map(|bytes| {
            closed::read(month, &bytes).unwrap_or_else(|reason| {
                self.log.error(format_args!(
                    "{month}.json cannot be read: {reason}; the file is kept as it is"
                ));
                MonthTotals {
                    incomplete: true,
                    ..MonthTotals::default()
                }
            })
        }))
    }

    /// The totals of the open months, which another process may be recording.
    /// One that cannot be read is reported as incomplete.
    pub(super) fn read_open_totals(&self) -> Result<Totals, Error> {
        let mut totals = Totals::new();
        for month in self.open_names()? {
            let found = match self.read_open(month)? {
                Found::Closed => continue,
                Found::Open(file) => file.totals(),
                Found::Unreadable(reason) => {
                    self.log
                        .error(format_args!("{month} cannot be read: {reason}"));
                    MonthTotals {
                        open: true,
                        incomplete: true,
                        ..MonthTotals::default()
                    }
                }
            };
            totals.insert(month, found);
        }
        Ok(totals)
    }

    /// The open months themselves.
    pub(super) fn read_months(&self) -> Result<BTreeMap<Month, OpenFile>, Error> {
        let mut months = BTreeMap::new();
        for month in self.open_names()? {
            months.extend(self.read_month(month)?.map(|file| (month, file)));
        }
        Ok(months)
    }

    /// An open month, unless it is not open.
    pub(super) fn read_month(&self, month: Month) -> Result<Option<OpenFile>, Error> {
        match self.read_open(month)? {
            Found::Closed => Ok(None),
            Found::Open(file) => Ok(Some(*file)),
            Found::Unreadable(reason) => {
                Err(Error::storage(format_args!("cannot read {month}"), reason))
            }
        }
    }

    fn open_names(&self) -> Result<BTreeSet<Month>, Error> {
        let mut months = self.folder.months(Part::Sealed)?;
        months.extend(self.folder.months(Part::Fresh)?);
        Ok(months)
    }

    fn read_open(&self, month: Month) -> Result<Found, Error> {
        for _ in 0..LOOKS {
            let sealed = self.folder.read(month, Part::Sealed)?;
            let fresh = self.folder.read(month, Part::Fresh)?;
            if sealed.is_none() && fresh.is_none() {
                return Ok(Found::Closed);
            }
            let id = sealed.as_deref().and_then(blob::id_of);
            let found = match self.folder.read_key(month)? {
                KeyFile::Key(key) => self.unseal(month, key, sealed, fresh),
                KeyFile::Missing | KeyFile::NoKey => Found::Unreadable("its key is missing"),
            };
            // Unless the recorder changed the files between two looks, this is
            // what they say. It closes a month by writing its totals first.
            if self.folder.read(month, Part::Json)?.is_some() {
                return Ok(Found::Closed);
            }
            let now = self.folder.read_start(month, Part::Sealed, blob::HEADER)?;
            if now.as_deref().and_then(blob::id_of) == id {
                return Ok(found);
            }
        }
        Ok(Found::Unreadable("it changes too fast"))
    }

    fn unseal(
        &self,
        month: Month,
        key: MonthKey,
        sealed: Option<Vec<u8>>,
        fresh: Option<Vec<u8>>,
    ) -> Found {
        let state = MonthState { key, first: None };
        let seal = Seal::new(month, &state.key, self.realm.expose_secret());
        let mut file = OpenFile::new(month, state, &self.realm);
        let Some(sealed) = sealed else {
            return Found::Unreadable("its .sealed is missing");
        };
        let read = || -> Result<(), Damage> {
            let (_, id, content) = seal.open(sealed)?;
            file.take_whole(id, 0, content)?;
            if let Some(bytes) = fresh {
                let (kind, _, content) = seal.open(bytes)?;
                // Otherwise it is older than the large file, which has it all.
                if kind == Kind::Since(file.whole_id()) {
                    file.take_since(0, content)?;
                }
            }
            Ok(())
        };
        match read() {
            Ok(()) => Found::Open(Box::new(file)),
            Err(_) => Found::Unreadable("it is damaged, or under another key"),
        }
    }
}

/// What a reader finds of a month.
enum Found {
    Open(Box<OpenFile>),
    /// It is not open, or not any more.
    Closed,
    /// And why.
    Unreadable(&'static str),
}
