//! What a recorder does with its store besides writing visits: all of it may
//! wait.

use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use super::intake::Phase;
use super::{PATIENCE, Recorder};
use crate::store::{MonthState, Store};
use crate::tally::Tally;
use crate::{Error, Health, Month, Totals, now};

/// How long a report waits until the store has taken the pending visits.
const REPORT_PATIENCE: Duration = Duration::from_secs(10);

impl Recorder {
    /// Does something with the store, for somebody who does not wait for ever:
    /// a disk may hang without an error.
    fn with_store<T>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut dyn Store) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let store = self.store.try_lock_for(PATIENCE).ok_or(Error::Timeout)?;
        self.with_locked(store, work)
    }

    /// Does something with the store, whose lock the caller has. In the child of
    /// a fork it is opened first.
    pub(super) fn with_locked<T>(
        self: &Arc<Self>,
        mut store: MutexGuard<'_, Option<Box<dyn Store>>>,
        work: impl FnOnce(&mut dyn Store) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if store.is_none() {
            if self.intake.lock().phase == Phase::Ending {
                return Err(Error::Closed);
            }
            *store = Some(self.reopen()?);
        }
        let store = store.as_mut().ok_or(Error::Internal)?;
        work(&mut **store)
    }

    /// What the store must keep of a month that is open, or being closed.
    pub(super) fn month_state(&self, month: Month) -> Option<MonthState> {
        let intake = self.intake.lock();
        let open = intake.calendar.tallies().iter();
        let mut tallies = open.chain(&intake.closing);
        tallies.find(|tally| tally.month == month).map(Tally::state)
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
            // Counted when logins can go on: they may be many.
            let waiting = {
                let mut intake = self.intake.lock();
                intake.make_tasks();
                intake.taken.clone()
            };
            for (month, visits) in waiting.iter().filter_map(|task| task.visits()) {
                let month = totals.entry(month).or_default();
                // A new month of a store whose months close.
                month.open |= self.character.closes_months;
                for (id, number) in visits.count()? {
                    if let Some(key) = visits.keys().key(id) {
                        let count = month.counts.entry(key).or_default();
                        *count = count.saturating_add(number);
                    }
                }
            }
            Ok(totals)
        })
    }

    pub(crate) fn purge(self: &Arc<Self>, before: Month) -> Result<Vec<Month>, Error> {
        self.check()?;
        self.settings.load().check_recording()?;
        self.with_store(|store| store.purge(before))
    }

    /// Deletes totals older than `retention_months`, and says how many. Counts
    /// from the newest month with totals, or from today if that is earlier: a
    /// clock, or a login, that is far ahead must not delete everything.
    ///
    /// A failure is said, and no more: it costs space, not counts.
    pub(super) fn delete_old_totals(self: &Arc<Self>) {
        let months = self.settings.load().config.retention_months;
        if months == 0 {
            return;
        }
        let store = self.store.lock();
        let purged = self.with_locked(store, |store| {
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
