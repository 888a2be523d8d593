//! An open counter: what one process has of it between `open` and `close`.
//!
//! A login passes through three places. The calendar and its tallies tell
//! whether the user is new; they are read without a lock. The intake, behind
//! one short lock, takes the visits of new users. The store, behind another,
//! gets them from the writer. The two locks are only held together in the order
//! store, intake, and no file is touched under the intake's lock.

mod intake;
mod keeping;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use self::intake::Intake;
use crate::calendar::Calendar;
use crate::store::{self, Character, MonthState, OpenMonth, Store, Visit};
use crate::sync::{Condvar, Mutex};
use crate::tally::Tally;
use crate::{Config, Error, KeptUser, KeyTable, Log, Login, Lookup, Month, MonthKey, Realm, fork};

/// The longest time that anybody waits: later than that there is no clock.
const LONGEST_WAIT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How many months a counter remembers for a store whose months do not close.
/// What it has seen is only a cache there: logins of this month and the last.
const REMEMBERED: usize = 3;

pub(crate) struct Recorder {
    pub(crate) generation: u32,
    pub(crate) settings: ArcSwap<Settings>,
    character: Character,
    realm: Realm,
    calendar: ArcSwap<Calendar>,
    keys: KeyTable,
    intake: Mutex<Intake>,
    /// Something is there for the writer.
    wake: Condvar,
    /// The writer has tried.
    tried: Condvar,
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

impl Recorder {
    pub(crate) fn open(config: &Config) -> Result<Arc<Self>, Error> {
        let realm = config.realm()?;
        let lookup = Lookup::new(config)?;
        let mut store = store::open(config, &realm)?;
        let character = store.character();
        let calendar = if config.read_only {
            Calendar::new(character.closes_months, Month::FIRST, Vec::new())
        } else {
            let loaded = store.load()?;
            let tallies = loaded
                .open
                .into_iter()
                .map(|open| Arc::new(tally(open, &realm)));
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
            realm,
            calendar: ArcSwap::from_pointee(calendar),
            keys: KeyTable::default(),
            intake: Mutex::default(),
            wake: Condvar::default(),
            tried: Condvar::default(),
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
            realm: self.realm.clone(),
            calendar: ArcSwap::from_pointee(Calendar::new(
                self.character.closes_months,
                parent.closed_before(),
                tallies.collect(),
            )),
            keys: KeyTable::default(),
            intake: Mutex::default(),
            wake: Condvar::default(),
            tried: Condvar::default(),
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

    /// Refuses what a counter that is open for reports alone cannot do.
    fn check_recording(&self) -> Result<(), Error> {
        if self.settings.load().config.read_only {
            let reason = "the counter is open for reading only";
            return Err(Error::Argument(reason.into()));
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
        if tally.month < self.calendar.load().closed_before() {
            return Err(Error::MonthClosed(tally.month));
        }
        if intake.waiting() >= config.pending_limit {
            return Err(Error::Full);
        }
        if !tally.insert(visit.marker) {
            return Ok(());
        }
        intake.pending.entry(tally.month).or_default().push(visit);
        writer::ensure(self, &mut intake);
        // The writer takes the time away with the visits: it has to be told of
        // the first that comes after.
        if intake.due.is_none() {
            intake.due = Some(Instant::now() + config.flush_interval);
            drop(intake);
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Takes note of a login that may open or close a month, and returns the
    /// tally of its own.
    fn note(self: &Arc<Self>, month: Month, time: i64) -> Result<Arc<Tally>, Error> {
        self.check_recording()?;
        let mut intake = self.intake.lock();
        if intake.refusing {
            return Err(Error::Closed);
        }
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
        Ok(Tally::new(month, &state, &self.realm, Arc::default()))
    }

    /// Waits until everything that was recorded before is in the store.
    pub(crate) fn flush(self: &Arc<Self>, timeout: Duration) -> Result<(), Error> {
        self.check()?;
        let deadline = Instant::now() + timeout.min(LONGEST_WAIT);
        let mut intake = self.intake.lock();
        if !intake.has_work() && intake.taken.is_empty() {
            return Ok(());
        }
        if intake.stop {
            return Err(Error::Closed);
        }
        intake.wanted += 1;
        let ticket = intake.wanted;
        writer::ensure(self, &mut intake);
        self.wake.notify_one();
        while intake.tried < ticket {
            self.check()?;
            if Instant::now() >= deadline {
                return Err(Error::Timeout);
            }
            intake = self.tried.wait_until(intake, deadline);
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
}

fn tally(open: OpenMonth, realm: &Realm) -> Tally {
    Tally::new(open.month, &open.state, realm, open.markers)
}
