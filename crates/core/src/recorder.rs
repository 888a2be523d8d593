//! An open counter: what one process has of it between `open` and `close`.
//!
//! A login passes through three places. The view, which is read without a lock,
//! tells whether the user is new. The intake, behind one short lock, takes the
//! visits of new users. The store, behind another, gets them from the writer.
//! The two locks are only held together in the order store, intake, and no file
//! is touched under the intake's lock.

mod child;
mod intake;
mod keeping;
mod view;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use self::view::Missing;
pub(crate) use self::view::{Stage, View};

use self::intake::{Intake, Phase};
use crate::calendar::Calendar;
use crate::store::{self, Character, Forgotten, MonthState, OpenMonth, Store, Visit, Visits};
use crate::sync::{Condvar, Mutex};
use crate::tally::Tally;
use crate::{
    Config, Error, KeptUser, KeyTable, Log, Login, Lookup, Month, MonthKey, Realm, User, fork,
};

/// The longest time that anybody waits: later than that there is no clock.
const LONGEST_WAIT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How long `close` and the like wait for the store.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How many months a counter remembers for a store whose months do not close.
/// What it has seen is only a cache there: logins of this month and the last.
const REMEMBERED: usize = 3;

pub(crate) struct Recorder {
    pub(crate) generation: u32,
    pub(crate) settings: Arc<ArcSwap<Settings>>,
    /// Where the views of this counter are shown.
    stage: Arc<Stage>,
    character: Character,
    realm: Realm,
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
    /// As the host gave them.
    pub(crate) given: Config,
    /// The same, wherever the host goes.
    pub(crate) config: Config,
    pub(crate) lookup: Lookup,
}

impl Settings {
    /// `config` is `given`, wherever the host goes.
    pub(crate) fn new(given: &Config, config: Config) -> Result<Self, Error> {
        // A report is of all who were counted.
        if !config.read_only {
            config.check_countries()?;
        }
        Ok(Self {
            given: given.clone(),
            lookup: Lookup::new(&config)?,
            config,
        })
    }

    /// Refuses what a counter that is open for reports alone cannot do.
    fn check_recording(&self) -> Result<(), Error> {
        if self.config.read_only {
            let reason = "the counter is open for reading only";
            return Err(Error::Argument(reason.into()));
        }
        Ok(())
    }
}

impl Recorder {
    /// Opens the store and reads what is in it. Nothing is shown on `stage`
    /// before [`Recorder::show`].
    pub(crate) fn open(given: &Config, stage: &Arc<Stage>) -> Result<Arc<Self>, Error> {
        let config = given.with_absolute_paths();
        let realm = config.realm()?;
        let settings = Arc::new(ArcSwap::from_pointee(Settings::new(given, config)?));
        let mut store = open_store(&settings, &realm)?;
        let character = store.character();
        let calendar = if given.read_only {
            Calendar::new(character.closes_months, Month::FIRST, Vec::new())
        } else {
            let loaded = store.load()?;
            let tallies = loaded.open.iter().map(|open| found(open, &realm));
            Calendar::new(
                character.closes_months,
                loaded.closed_before,
                tallies.collect::<Result<_, _>>()?,
            )
        };
        Ok(Arc::new(Self {
            generation: fork::generation(),
            settings,
            stage: Arc::clone(stage),
            character,
            realm,
            intake: Mutex::new(Intake::new(calendar)),
            wake: Condvar::default(),
            tried: Condvar::default(),
            store: Mutex::new(Some(store)),
            broken: AtomicBool::new(false),
        }))
    }

    pub(crate) fn log(&self) -> Log {
        self.settings.load().config.log.clone()
    }

    /// Has logins come here from now on.
    pub(crate) fn show(self: &Arc<Self>) {
        self.publish(&self.intake.lock());
    }

    /// Shows the calendar of the intake, whose lock the caller holds.
    fn publish(self: &Arc<Self>, intake: &Intake) {
        self.stage.store(Some(self.view(intake)));
    }

    /// Replaces the settings. A login sees all of the old ones or all of the new
    /// ones.
    pub(crate) fn change_settings(self: &Arc<Self>, new: Settings) {
        let mut intake = self.intake.lock();
        let old = self.show_settings(&mut intake, new);
        drop(intake);
        // Databases are given back once the lock is.
        drop(old);
    }

    /// Reads the databases of places and networks again.
    pub(crate) fn reload(self: &Arc<Self>) -> Result<(), Error> {
        loop {
            let old = self.settings.load_full();
            let lookup = old.lookup.reloaded()?;
            let new = Settings {
                given: old.given.clone(),
                config: old.config.clone(),
                lookup,
            };
            let mut intake = self.intake.lock();
            // Otherwise somebody has changed them meanwhile.
            if Arc::ptr_eq(&old, &self.settings.load()) {
                let older = self.show_settings(&mut intake, new);
                drop(intake);
                drop(older);
                return Ok(());
            }
        }
    }

    /// Returns settings that are to be dropped without the lock. Those before are
    /// kept until the writer comes: a login that still looks at them must not be
    /// the one that gives back a database.
    fn show_settings(
        self: &Arc<Self>,
        intake: &mut Intake,
        new: Settings,
    ) -> Option<Arc<Settings>> {
        let old = self.settings.swap(Arc::new(new));
        // While it closes, nobody must be shown it again.
        if intake.phase == Phase::Open {
            self.publish(intake);
        }
        intake.retired_settings.replace(old)
    }

    fn view(self: &Arc<Self>, intake: &Intake) -> Arc<View> {
        Arc::new(View::new(self, intake.calendar.clone()))
    }

    /// After a panic, nothing in here can be relied on.
    pub(crate) fn break_down(&self) {
        self.broken.store(true, Ordering::Relaxed);
        // Whoever waits has either not looked yet, or is waiting by now.
        drop(self.intake.lock());
        self.tried.notify_all();
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(Error::Internal);
        }
        Ok(())
    }

    /// Counts a login of a user whom the view does not know yet, or one that
    /// opens or closes a month.
    fn count(
        self: &Arc<Self>,
        settings: &Settings,
        login: &Login<'_>,
        missing: Option<Missing<'_>>,
    ) -> Result<(), Error> {
        let month = match missing {
            Some(Missing { tally, .. }) => tally.month,
            None => Month::of(login.time)?,
        };
        settings.check_recording()?;
        // All that takes longer comes before the lock.
        let keys = settings.lookup.keys(login);
        let user = self
            .character
            .keeps_users
            .then(|| KeptUser::from(login.user));

        let mut guard = self.intake.lock();
        let intake = &mut *guard;
        intake.check_open()?;
        let mut wake = false;
        if intake.calendar.settled(login.time).is_none() {
            wake = self.note(intake, month, login.time)?;
        }
        let counted = keys.map_or(Ok(false), |keys| {
            let tally = intake.calendar.get_mut(month).ok_or(Error::Internal)?;
            // Not by itself: the month may have begun anew meanwhile.
            let missing = missing.filter(|missing| tally.has_secrets_of(missing.tally));
            let marker = missing.map_or_else(|| tally.marker(login.user), |missing| missing.marker);
            let is_missing = missing.is_some_and(|missing| missing.added == tally.seen.added());
            if !is_missing && tally.seen.contains(marker) {
                return Ok(false);
            }
            if intake.waiting() >= settings.config.pending_limit {
                return Err(Error::Full);
            }
            intake.forget_first(month, marker, login.user);
            let visit = Visit {
                marker,
                place: keys.place,
                client: keys.client,
                asn: keys.asn,
            };
            self.take_in(intake, month, settings.lookup.table(), visit, user)?;
            Ok(self.call_writer(intake, settings.config.flush_interval))
        });
        wake |= matches!(counted, Ok(true));
        drop(guard);
        // Also when the visit is refused: its time may have closed a month.
        if wake {
            self.wake.notify_one();
        }
        counted.map(drop)
    }

    /// Marks a user as seen and takes the visit in, or neither.
    fn take_in(
        self: &Arc<Self>,
        intake: &mut Intake,
        month: Month,
        keys: &Arc<KeyTable>,
        visit: Visit,
        user: Option<KeptUser>,
    ) -> Result<(), Error> {
        intake.separate(month, keys);
        let pending = &mut intake.pending;
        if !pending.iter().any(|(other, _)| *other == month) {
            pending.push((month, Visits::new(Arc::clone(keys))));
        }
        let of_month = pending.iter_mut().find(|(other, _)| *other == month);
        let (_, visits) = of_month.ok_or(Error::Internal)?;
        // Nothing fails behind the mark.
        visits.reserve(&mut intake.spare)?;
        let tally = intake.calendar.get_mut(month).ok_or(Error::Internal)?;
        tally.seen.add(visit.marker)?;
        visits.put(visit, user)?;
        if let Some(next) = tally.seen.next() {
            let before = std::mem::replace(&mut tally.seen, next);
            intake.retired.push(before);
            self.publish(intake);
        }
        Ok(())
    }

    /// Has the writer come within `time`; says whether it must be woken for that.
    fn call_writer(self: &Arc<Self>, intake: &mut Intake, time: Duration) -> bool {
        writer::ensure(self, intake);
        // The writer takes the time away with the work: it has to be told of the
        // first that comes after.
        let wake = intake.due.is_none();
        if wake {
            intake.due = Some(Instant::now() + time);
        }
        wake
    }

    /// Takes note of a login that may open or close a month; says whether the
    /// writer has something to do for it.
    fn note(self: &Arc<Self>, intake: &mut Intake, month: Month, time: i64) -> Result<bool, Error> {
        if month < intake.calendar.closed_before() {
            return Err(Error::MonthClosed(month));
        }
        if intake.calendar.get_mut(month).is_none() {
            let state = MonthState {
                key: MonthKey::random()?,
                first: Some(time),
            };
            let tally = Tally::new(month, &state, &self.realm, &[])?;
            intake.calendar.add(tally);
        }
        let closed = intake.calendar.note(month, time);
        if !self.character.closes_months {
            intake.truncate_calendar(REMEMBERED, month);
        }
        self.publish(intake);
        if closed.is_empty() {
            return Ok(false);
        }
        intake.closing.extend(closed);
        intake.close_before = Some(intake.calendar.closed_before());
        // After a failure the writer has set a later time.
        intake.due = intake.due.max(Some(Instant::now()));
        writer::ensure(self, intake);
        Ok(true)
    }

    /// Forgets a user here at once, and in the store when the writer comes to it.
    pub(crate) fn forget(self: &Arc<Self>, user: User<'_>) -> Result<(), Error> {
        self.check()?;
        let settings = self.settings.load();
        settings.check_recording()?;
        let user = KeptUser::from(user);
        let mut guard = self.intake.lock();
        let intake = &mut *guard;
        intake.check_open()?;
        if intake.waiting() >= settings.config.pending_limit {
            return Err(Error::Full);
        }
        let tallies = intake.calendar.tallies().iter();
        let markers: Vec<_> = tallies
            .map(|tally| {
                let marker = tally.marker(user.as_user());
                tally.seen.remove(marker);
                (tally.month, marker)
            })
            .collect();
        intake.forgotten.push(Forgotten { user, markers });
        let wake = self.call_writer(intake, settings.config.flush_interval);
        drop(guard);
        if wake {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Has the writer delete the totals that are too old. It may have to wait for
    /// the disk.
    pub(crate) fn retain(self: &Arc<Self>) {
        let settings = self.settings.load();
        if settings.config.read_only || settings.config.retention_months == 0 {
            return;
        }
        let mut intake = self.intake.lock();
        intake.retain = true;
        self.call_writer(&mut intake, Duration::ZERO);
        drop(intake);
        self.wake.notify_one();
    }

    /// Waits until everything that was recorded before is in the store.
    pub(crate) fn flush(self: &Arc<Self>, timeout: Duration) -> Result<(), Error> {
        self.check()?;
        let deadline = Instant::now() + timeout.min(LONGEST_WAIT);
        let mut intake = self.intake.lock();
        if !intake.has_work() {
            return Ok(());
        }
        if intake.phase == Phase::Ending {
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
        let deadline = Instant::now() + timeout;
        self.intake.lock().phase = Phase::Closing;
        let left = || deadline.saturating_duration_since(Instant::now());
        let ended = self.flush(timeout).and_then(|()| self.end(left()));
        if ended.is_err() {
            let mut intake = self.intake.lock();
            intake.phase = Phase::Open;
            // With the settings that have come meanwhile.
            self.publish(&intake);
        }
        ended
    }

    /// Ends the writer and lets go of the store, whatever is pending. A store
    /// that does not answer within a second is left to the writer, which lets
    /// go of it when it does.
    pub(crate) fn abandon(&self) {
        if self.end(Duration::from_secs(1)).is_err() {
            self.intake.lock().phase = Phase::Ending;
        }
    }

    /// Ends the writer and lets go of the store, or neither.
    fn end(&self, timeout: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + timeout;
        let mut intake = self.intake.lock();
        intake.phase = Phase::Ending;
        self.wake.notify_one();
        while intake.writer.is_some() && !intake.ended {
            if Instant::now() >= deadline {
                intake.phase = Phase::Closing;
                return Err(Error::Timeout);
            }
            intake = self.tried.wait_until(intake, deadline);
        }
        let writer = intake.writer.take();
        intake.ended = false;
        drop(intake);
        if let Some(writer) = writer {
            // It has nothing left to do. A panic is dealt with there.
            let _ = writer.join();
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let Some(mut store) = self.store.try_lock_for(left) else {
            self.intake.lock().phase = Phase::Closing;
            return Err(Error::Timeout);
        };
        *store = None;
        Ok(())
    }
}

/// Opens the store of these settings. Its log lines go where the settings say
/// at that moment.
fn open_store(settings: &Arc<ArcSwap<Settings>>, realm: &Realm) -> Result<Box<dyn Store>, Error> {
    let mut config = settings.load().config.clone();
    let settings = Arc::clone(settings);
    config.log = Log::new(move |level, line| settings.load().config.log.write(level, line));
    store::open(&config, realm)
}

/// The tally of a month as the store has it.
fn found(open: &OpenMonth, realm: &Realm) -> Result<Tally, Error> {
    Tally::new(open.month, &open.state, realm, &open.markers)
}
