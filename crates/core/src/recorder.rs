//! An open counter: what one process has of it between `open` and `close`.
//!
//! A login passes through three places. The calendar and its tallies tell
//! whether the user is new; they are read without a lock. The intake, behind
//! one short lock, takes the visits of new users. The store, behind another,
//! gets them from the writer. The two locks are only held together in the order
//! store, intake, and no file is touched under the intake's lock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parking_lot::{Condvar, MappedMutexGuard, Mutex, MutexGuard};
use zeroize::Zeroizing;

use crate::calendar::Calendar;
use crate::store::{self, Character, MonthState, OpenMonth, Store, Visit};
use crate::tally::Tally;
use crate::{
    Config, Error, KeptUser, KeyTable, Log, Login, Lookup, Month, MonthKey, Totals, User, fork,
    writer,
};

/// How many months a counter remembers for a store whose months do not close.
/// What it has seen is only a cache there: logins of this month and the last.
const REMEMBERED: usize = 3;

/// How long a report waits until the store has taken the pending visits.
const REPORT_PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Recorder {
    pub(crate) generation: u32,
    pub(crate) settings: ArcSwap<Settings>,
    character: Character,
    secret: Zeroizing<Vec<u8>>,
    calendar: ArcSwap<Calendar>,
    keys: KeyTable,
    pub(crate) intake: Mutex<Intake>,
    /// Something is there for the writer.
    pub(crate) wake: Condvar,
    /// The writer has tried.
    pub(crate) tried: Condvar,
    /// `None` in the child of a fork until its writer opens it.
    store: Mutex<Option<Box<dyn Store>>>,
    broken: AtomicBool,
}

/// What may change while a counter is open.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) config: Config,
    pub(crate) lookup: Lookup,
}

/// What waits for the writer.
#[derive(Default)]
pub(crate) struct Intake {
    /// Visits that nobody has tried to write.
    pub(crate) pending: Vec<Visit>,
    /// Visits that the writer is writing.
    pub(crate) taken: Arc<Vec<Visit>>,
    /// Months that are closed here and not yet in the store.
    pub(crate) closing: Vec<Arc<Tally>>,
    /// Months before this one are to be closed in the store.
    pub(crate) close_before: Option<Month>,
    /// When the writer should start, if there is anything to write.
    pub(crate) due: Option<Instant>,
    /// Flushes asked for, and the number of the last one that was tried.
    pub(crate) wanted: u64,
    pub(crate) tried: u64,
    /// How the last try ended.
    pub(crate) outcome: Option<Error>,
    /// No more visits: the counter is being closed.
    pub(crate) refusing: bool,
    /// The writer is to end.
    pub(crate) stop: bool,
    pub(crate) writer: Option<JoinHandle<()>>,
}

impl Intake {
    pub(crate) fn has_work(&self) -> bool {
        !self.pending.is_empty() || self.close_before.is_some()
    }

    /// Whether somebody waits for the writer.
    pub(crate) fn is_urgent(&self) -> bool {
        self.wanted > self.tried || self.stop
    }
}

impl Recorder {
    pub(crate) fn open(config: &Config) -> Result<Arc<Self>, Error> {
        let secret = config.secret()?;
        let lookup = Lookup::new(config)?;
        let mut store = store::open(config, &secret)?;
        let character = store.character();
        let calendar = if config.read_only {
            Calendar::new(character.closes_months, Month::FIRST, Vec::new())
        } else {
            let loaded = store.load()?;
            let tallies = loaded
                .open
                .into_iter()
                .map(|open| Arc::new(tally(open, &secret, &config.host)));
            Calendar::new(
                character.closes_months,
                loaded.closed_before,
                tallies.collect(),
            )
        };
        Ok(Arc::new(Self {
            generation: fork::generation(),
            settings: ArcSwap::from_pointee(Settings {
                config: config.clone(),
                lookup,
            }),
            character,
            secret,
            calendar: ArcSwap::from_pointee(calendar),
            keys: KeyTable::default(),
            intake: Mutex::default(),
            wake: Condvar::new(),
            tried: Condvar::new(),
            store: Mutex::new(Some(store)),
            broken: AtomicBool::new(false),
        }))
    }

    /// The same counter in the child of a fork. Takes no lock of the parent's
    /// and touches no file: the child's writer opens the store.
    pub(crate) fn for_child(&self) -> Arc<Self> {
        let parent = self.calendar.load();
        let tallies = parent
            .tallies()
            .iter()
            .map(|tally| Arc::new(tally.for_child()));
        Arc::new(Self {
            generation: fork::generation(),
            settings: ArcSwap::new(self.settings.load_full()),
            character: self.character,
            secret: self.secret.clone(),
            calendar: ArcSwap::from_pointee(Calendar::new(
                self.character.closes_months,
                parent.closed_before(),
                tallies.collect(),
            )),
            keys: KeyTable::default(),
            intake: Mutex::default(),
            wake: Condvar::new(),
            tried: Condvar::new(),
            store: Mutex::new(None),
            broken: AtomicBool::new(false),
        })
    }

    pub(crate) fn log(&self) -> Log {
        self.settings.load().config.log.clone()
    }

    /// After a panic, nothing in here can be relied on.
    pub(crate) fn break_down(&self) {
        self.broken.store(true, Ordering::Relaxed);
        self.tried.notify_all();
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(Error::Internal);
        }
        Ok(())
    }

    /// Counts a login, in memory.
    pub(crate) fn record(self: &Arc<Self>, login: &Login<'_>) -> Result<(), Error> {
        self.check()?;
        let month = Month::of(login.time)?;
        let calendar = self.calendar.load();
        let noted;
        let tally = if let Some(tally) = calendar.settled(month, login.time) {
            tally
        } else {
            noted = self.note(month, login.time)?;
            &noted
        };
        let marker = tally.marker(login.user);
        if tally.contains(marker) {
            return Ok(());
        }
        let settings = self.settings.load();
        let Some(keys) = settings.lookup.keys(login, &self.keys) else {
            return Ok(());
        };
        let visit = Visit {
            month,
            marker,
            user: self
                .character
                .keeps_users
                .then(|| KeptUser::from(login.user)),
            place: keys.place,
            client: keys.client,
            asn: keys.asn,
        };
        self.take_in(tally, visit, &settings.config)
    }

    /// Marks the user as seen and hands the visit to the writer, or neither.
    fn take_in(
        self: &Arc<Self>,
        tally: &Tally,
        visit: Visit,
        config: &Config,
    ) -> Result<(), Error> {
        let mut intake = self.intake.lock();
        if intake.refusing {
            return Err(Error::Closed);
        }
        // The month may have closed since the calendar was read.
        if visit.month < self.calendar.load().closed_before() {
            return Err(Error::MonthClosed(visit.month));
        }
        if intake.pending.len() + intake.taken.len() >= config.pending_limit {
            return Err(Error::Full);
        }
        if !tally.insert(visit.marker) {
            return Ok(());
        }
        let first = !intake.has_work();
        intake.pending.push(visit);
        writer::ensure(self, &mut intake);
        if first {
            intake.due = Some(Instant::now() + config.flush_interval);
            drop(intake);
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Takes note of a login that may open or close a month, and returns the
    /// tally of its own.
    fn note(self: &Arc<Self>, month: Month, time: i64) -> Result<Arc<Tally>, Error> {
        if self.settings.load().config.read_only {
            return Err(Error::Argument(
                "the counter is open for reading only".into(),
            ));
        }
        let mut intake = self.intake.lock();
        let mut calendar = Calendar::clone(&self.calendar.load());
        let before = calendar.closed_before();
        if month < before {
            return Err(Error::MonthClosed(month));
        }
        let known = calendar.tallies().iter().find(|tally| tally.month == month);
        let tally = match known {
            Some(tally) => Arc::clone(tally),
            None => Arc::new(self.new_tally(month, time)?),
        };
        let open = calendar.tallies().to_vec();
        calendar.note(&tally, time);
        if !self.character.closes_months {
            calendar.truncate(REMEMBERED);
        }
        let closed_before = calendar.closed_before();
        self.calendar.store(Arc::new(calendar));
        if closed_before > before {
            let closing = open.into_iter().filter(|tally| tally.month < closed_before);
            intake.closing.extend(closing);
            intake.close_before = Some(closed_before);
            // After a failure the writer has set a later time.
            intake.due = intake.due.max(Some(Instant::now()));
            writer::ensure(self, &mut intake);
            drop(intake);
            self.wake.notify_one();
        }
        Ok(tally)
    }

    fn new_tally(&self, month: Month, time: i64) -> Result<Tally, Error> {
        let state = MonthState {
            key: MonthKey::random()?,
            first: Some(time),
        };
        let host = &self.settings.load().config.host;
        Ok(Tally::new(
            month,
            &state,
            &self.secret,
            host,
            Arc::default(),
        ))
    }

    /// Waits until everything that was recorded before is in the store.
    pub(crate) fn flush(self: &Arc<Self>, timeout: Duration) -> Result<(), Error> {
        self.check()?;
        let deadline = Instant::now().checked_add(timeout);
        let mut intake = self.intake.lock();
        if !intake.has_work() && intake.taken.is_empty() {
            return Ok(());
        }
        intake.wanted += 1;
        let ticket = intake.wanted;
        writer::ensure(self, &mut intake);
        self.wake.notify_one();
        while intake.tried < ticket {
            self.check()?;
            match deadline {
                Some(deadline) => {
                    let waited = self.tried.wait_until(&mut intake, deadline);
                    if waited.timed_out() && intake.tried < ticket {
                        return Err(Error::Timeout);
                    }
                }
                None => self.tried.wait(&mut intake),
            }
        }
        intake.outcome.clone().map_or(Ok(()), Err)
    }

    /// Flushes, ends the writer and lets go of the store. On failure the
    /// counter is as open as before.
    pub(crate) fn close(self: &Arc<Self>, timeout: Duration) -> Result<(), Error> {
        self.intake.lock().refusing = true;
        if let Err(error) = self.flush(timeout) {
            self.intake.lock().refusing = false;
            return Err(error);
        }
        self.abandon();
        Ok(())
    }

    /// Ends the writer and lets go of the store, whatever is pending.
    pub(crate) fn abandon(&self) {
        let writer = {
            let mut intake = self.intake.lock();
            intake.refusing = true;
            intake.stop = true;
            intake.writer.take()
        };
        self.wake.notify_one();
        if let Some(writer) = writer {
            // A panic in the writer is dealt with there.
            let _ = writer.join();
        }
        *self.store.lock() = None;
    }

    /// The store, opened first in the child of a fork.
    pub(crate) fn store(&self) -> Result<MappedMutexGuard<'_, Box<dyn Store>>, Error> {
        let mut store = self.store.lock();
        if store.is_none() {
            if self.intake.lock().stop {
                return Err(Error::Closed);
            }
            *store = Some(self.reopen()?);
        }
        MutexGuard::try_map(store, Option::as_mut).map_err(|_| Error::Internal)
    }

    /// Opens the store in the child of a fork, and takes over what was recorded
    /// in it since.
    fn reopen(&self) -> Result<Box<dyn Store>, Error> {
        let settings = self.settings.load();
        let mut store = store::open(&settings.config, &self.secret)?;
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
            intake.pending.retain(|visit| visit.month != open.month);
            tallies.push(Arc::new(tally(open, &self.secret, &settings.config.host)));
        }
        let closed_before = ours.closed_before().max(loaded.closed_before);
        intake.pending.retain(|visit| visit.month >= closed_before);
        let closes = self.character.closes_months;
        self.calendar
            .store(Arc::new(Calendar::new(closes, closed_before, tallies)));
        Ok(store)
    }

    /// The tables that a batch of visits refers to.
    pub(crate) fn keys(&self) -> &KeyTable {
        &self.keys
    }

    /// What the store must keep of the months that `visits` are of.
    pub(crate) fn month_states(&self, visits: &[Visit]) -> BTreeMap<Month, MonthState> {
        let wanted: BTreeSet<Month> = visits.iter().map(|visit| visit.month).collect();
        let intake = self.intake.lock();
        let calendar = self.calendar.load();
        calendar
            .tallies()
            .iter()
            .chain(&intake.closing)
            .filter(|tally| wanted.contains(&tally.month))
            .map(|tally| (tally.month, tally.state()))
            .collect()
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
        let mut store = self.store()?;
        let mut totals = store.totals()?;
        let intake = self.intake.lock();
        for visit in intake.taken.iter().chain(&intake.pending) {
            let month = totals.entry(visit.month).or_default();
            month.open = self.character.closes_months;
            for key in visit.keys().filter_map(|id| self.keys.key(id)) {
                *month.counts.entry(key).or_default() += 1;
            }
        }
        Ok(totals)
    }

    pub(crate) fn purge(&self, before: Month) -> Result<Vec<Month>, Error> {
        self.check()?;
        self.store()?.purge(before)
    }

    pub(crate) fn forget(self: &Arc<Self>, user: User<'_>, timeout: Duration) -> Result<(), Error> {
        // Otherwise the writer would mark the user again.
        self.flush(timeout)?;
        let mut store = self.store()?;
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
    }

    /// Deletes totals older than `retention_months`, counted from `newest`.
    pub(crate) fn retain(&self, newest: Month) -> Result<(), Error> {
        let months = self.settings.load().config.retention_months;
        if months == 0 {
            return Ok(());
        }
        let gone = self.purge(newest.plus(1).minus(months))?;
        if !gone.is_empty() {
            self.log().info(format_args!(
                "{} months of totals deleted: retention_months is {months}",
                gone.len()
            ));
        }
        Ok(())
    }
}

fn tally(open: OpenMonth, secret: &[u8], host: &str) -> Tally {
    Tally::new(open.month, &open.state, secret, host, open.markers)
}
