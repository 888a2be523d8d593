//! What a recorder does with its store besides writing visits: all of it may
//! wait.

use std::sync::Arc;
use std::time::Duration;

use super::{Recorder, tally};
use crate::calendar::Calendar;
use crate::store::{self, MonthState, Store, Visit};
use crate::{Error, Health, Month, Totals, User, now};

/// How long a report waits until the store has taken the pending visits.
const REPORT_PATIENCE: Duration = Duration::from_secs(10);

impl Recorder {
    /// Does something with the store, which is opened first in the child of a
    /// fork.
    pub(crate) fn with_store<T>(
        &self,
        work: impl FnOnce(&mut dyn Store) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut store = self.store.lock();
        if store.is_none() {
            if self.intake.lock().stop {
                return Err(Error::Closed);
            }
            *store = Some(self.reopen()?);
        }
        let store = store.as_mut().ok_or(Error::Internal)?;
        work(&mut **store)
    }

    /// Opens the store in the child of a fork, and takes over what was recorded
    /// in it since.
    fn reopen(&self) -> Result<Box<dyn Store>, Error> {
        let settings = self.settings.load();
        let mut store = store::open(&settings.config, &self.realm)?;
        if settings.config.read_only {
            return Ok(store);
        }
        let loaded = store.load()?;
        let mut intake = self.intake.lock();
        let ours = self.calendar.load_full();
        let mut tallies = ours.tallies().to_vec();
        for open in loaded.open {
            let known = tallies.iter().position(|tally| tally.month == open.month);
            if known
                .and_then(|index| tallies.get(index))
                .is_some_and(|tally| tally.state().key == open.state.key)
            {
                continue;
            }
            // Another process began the month under another key. Markers under
            // ours are worth nothing; those users count at their next login.
            tallies.retain(|tally| tally.month != open.month);
            intake.pending.remove(&open.month);
            tallies.push(Arc::new(tally(open, &self.realm)));
        }
        let closed_before = ours.closed_before().max(loaded.closed_before);
        intake.pending = intake.pending.split_off(&closed_before);
        let closes = self.character.closes_months;
        self.calendar
            .store(Arc::new(Calendar::new(closes, closed_before, tallies)));
        Ok(store)
    }

    /// What the store must keep of a month.
    pub(crate) fn month_state(&self, month: Month) -> Option<MonthState> {
        let intake = self.intake.lock();
        let calendar = self.calendar.load();
        calendar
            .tallies()
            .iter()
            .chain(&intake.closing)
            .find(|tally| tally.month == month)
            .map(|tally| tally.state())
    }

    pub(crate) fn health(&self) -> Health {
        let settings = self.settings.load();
        let intake = self.intake.lock();
        Health {
            pending: intake.waiting(),
            last_flush: intake.last_flush,
            failing: intake.outcome.is_some(),
            geoip_built: settings.lookup.geo().map(|table| table.built()),
            asn_built: settings.lookup.asn().map(|table| table.built()),
        }
    }

    /// All totals, with the visits that the store does not have yet.
    pub(crate) fn totals(self: &Arc<Self>) -> Result<Totals, Error> {
        self.check()?;
        if !self.settings.load().config.read_only {
            // Few visits are then left to be added below, where logins wait.
            // Where only the store can tell which of them are new, and it
            // cannot be written, all are taken to be: better than no report.
            let _ = self.flush(REPORT_PATIENCE);
        }
        // With the store's lock held, no visit moves from here to there.
        self.with_store(|store| {
            let mut totals = store.totals()?;
            let intake = self.intake.lock();
            let taken = intake
                .taken
                .iter()
                .map(|(&month, visits)| (month, &**visits));
            let pending = intake
                .pending
                .iter()
                .map(|(&month, visits)| (month, visits));
            for (month, visits) in taken.chain(pending) {
                let month = totals.entry(month).or_default();
                // A new month of a store whose months close.
                month.open |= self.character.closes_months;
                for key in visits
                    .iter()
                    .flat_map(Visit::keys)
                    .filter_map(|id| self.keys.key(id))
                {
                    let count = month.counts.entry(key).or_default();
                    *count = count.saturating_add(1);
                }
            }
            Ok(totals)
        })
    }

    pub(crate) fn purge(&self, before: Month) -> Result<Vec<Month>, Error> {
        self.check()?;
        self.check_recording()?;
        self.with_store(|store| store.purge(before))
    }

    pub(crate) fn forget(self: &Arc<Self>, user: User<'_>, timeout: Duration) -> Result<(), Error> {
        self.check_recording()?;
        // Otherwise the writer would mark the user again.
        self.flush(timeout)?;
        self.with_store(|store| {
            let calendar = self.calendar.load_full();
            let tallies = calendar.tallies();
            let markers: Vec<_> = tallies
                .iter()
                .map(|tally| (tally.month, tally.marker(user)))
                .collect();
            store.forget(user, &markers)?;
            for (tally, (_, marker)) in tallies.iter().zip(markers) {
                tally.remove(marker);
            }
            Ok(())
        })
    }

    /// The same as [`Recorder::retain`] for a counter that may write.
    pub(crate) fn retain_at_open(&self) {
        if !self.settings.load().config.read_only {
            self.retain();
        }
    }

    /// Deletes totals older than `retention_months`, and says how many. Counts
    /// from the newest month with totals, or from today if that is earlier: a
    /// clock, or a login, that is far ahead must not delete everything.
    ///
    /// A failure is said, and no more: it costs space, not counts.
    pub(crate) fn retain(&self) {
        let months = self.settings.load().config.retention_months;
        if months == 0 {
            return;
        }
        let purged = self.with_store(|store| {
            let newest = store.totals()?.keys().next_back().copied();
            let today = Month::of(now())?;
            let newest = newest.map_or(today, |newest| newest.min(today));
            store.purge(newest.plus(1).minus(months))
        });
        let log = self.log();
        match purged {
            Ok(gone) if gone.is_empty() => (),
            Ok(gone) => log.info(format_args!(
                "totals of months deleted: {}, because retention_months is {months}",
                gone.len()
            )),
            Err(error) => log.error(format_args!("old totals were not deleted: {error}")),
        }
    }
}
