//! Totals from the files, also while another process changes them.

use std::collections::BTreeMap;

use super::Sealed;
use super::blob::{self, Kind, Seal};
use super::closed;
use super::folder::{KeyFile, Part};
use super::month::OpenFile;
use crate::store::MonthState;
use crate::{Error, Month, MonthTotals, Totals};

/// How often a reader looks again when the recorder changed the files between
/// two looks. It changes them once in a flush interval.
const LOOKS: usize = 100;

impl Sealed {
    /// The totals of the closed months. One that cannot be read is reported as
    /// incomplete, and kept as it is.
    pub(super) fn closed_totals(&self) -> Result<Totals, Error> {
        let mut totals = Totals::new();
        for month in self.folder.months(Part::Json)? {
            let Some(bytes) = self.folder.read(month, Part::Json)? else {
                continue;
            };
            let month_totals = closed::read(month, &bytes).unwrap_or_else(|reason| {
                self.log.error(format_args!(
                    "{month}.json cannot be read: {reason}; the file is kept as it is"
                ));
                MonthTotals {
                    incomplete: true,
                    ..MonthTotals::default()
                }
            });
            totals.insert(month, month_totals);
        }
        Ok(totals)
    }

    /// The open months, which another process may be recording.
    pub(super) fn read_months(&self) -> Result<BTreeMap<Month, OpenFile>, Error> {
        let mut months = self.folder.months(Part::Sealed)?;
        months.extend(self.folder.months(Part::Fresh)?);
        let mut open = BTreeMap::new();
        for month in months {
            if let Some(file) = self.read_open(month)? {
                open.insert(month, file);
            }
        }
        Ok(open)
    }

    /// An open month; `None` when it is not open any more.
    fn read_open(&self, month: Month) -> Result<Option<OpenFile>, Error> {
        let damaged = |part: &str| {
            Error::storage(
                format_args!("cannot read {month}.{part}"),
                "it is damaged or under another key",
            )
        };
        for _ in 0..LOOKS {
            let sealed = self.folder.read(month, Part::Sealed)?;
            let fresh = self.folder.read(month, Part::Fresh)?;
            if sealed.is_none() && fresh.is_none() {
                return Ok(None);
            }
            let KeyFile::Key(key) = self.folder.read_key(month)? else {
                if self.folder.read(month, Part::Json)?.is_some() {
                    return Ok(None);
                }
                return Err(Error::storage(
                    format_args!("cannot read {month}"),
                    "its key is missing",
                ));
            };
            let state = MonthState { key, first: None };
            let seal = Seal::new(month, &state.key, &self.secret);
            let mut file = OpenFile::new(month, state, &self.secret);
            if let Some(bytes) = sealed {
                let (_, id, content) = seal.open(bytes).map_err(|_| damaged("sealed"))?;
                file.take_whole(id, 0, content);
            }
            if let Some(bytes) = fresh {
                let (kind, _, content) = seal.open(bytes).map_err(|_| damaged("fresh"))?;
                if kind == Kind::Since(file.whole_id()) {
                    file.take_since(0, content);
                } else if self.whole_id_now(month, &seal)? != Some(file.whole_id()) {
                    // A new large file was written between the two looks.
                    continue;
                }
            }
            return Ok(Some(file));
        }
        Err(Error::storage(
            format_args!("cannot read {month}"),
            "it changes too fast",
        ))
    }

    fn whole_id_now(&self, month: Month, seal: &Seal) -> Result<Option<blob::Id>, Error> {
        let sealed = self.folder.read(month, Part::Sealed)?;
        Ok(sealed
            .and_then(|bytes| seal.open(bytes).ok())
            .map(|(_, id, _)| id))
    }
}
