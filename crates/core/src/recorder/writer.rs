//! The writer: one thread per counter, which alone waits for the store.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Recorder;
use super::intake::{Intake, Phase, Task};
use crate::store::{Batch, Room, Store};
use crate::tally::Tally;
use crate::{Error, Month, now, threads};

/// The name of the thread, by which a host recognises it.
pub(super) const THREAD_NAME: &str = "mv-writer";

/// How often the files of the databases are looked at.
const WATCH: Duration = Duration::from_secs(30);

/// The first and the longest pause after a failure of the store.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Starts the writer if there is none. When no thread can be had, the visits
/// wait: the next login tries again.
pub(super) fn ensure(recorder: &Arc<Recorder>, intake: &mut Intake) {
    if intake.writer.is_some() || intake.phase == Phase::Ending {
        return;
    }
    let recorder = Arc::clone(recorder);
    let body = move || {
        if catch_unwind(AssertUnwindSafe(|| Writer::new(&recorder).run())).is_err() {
            recorder.break_down();
            recorder.intake.lock().ended = true;
            recorder.tried.notify_all();
        }
    };
    let writer = threads::spawn(THREAD_NAME, body);
    intake.writer = writer.ok();
}

struct Writer<'a> {
    recorder: &'a Arc<Recorder>,
    /// The pause before the next try, while the store fails.
    pause: Option<Duration>,
    next_watch: Instant,
    /// Which failures of databases the log has.
    told: Vec<String>,
}

/// What one round is to do.
struct Work {
    tasks: Vec<Arc<Task>>,
    close_before: Option<Month>,
    retain: bool,
    ticket: u64,
}

impl Work {
    fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.close_before.is_none()
    }
}

impl<'a> Writer<'a> {
    fn new(recorder: &'a Arc<Recorder>) -> Self {
        Self {
            recorder,
            pause: None,
            next_watch: Instant::now() + WATCH,
            told: Vec::new(),
        }
    }

    fn run(mut self) {
        loop {
            self.sleep();
            // Before anything is taken: in the child of a fork, opening the
            // store may change what is pending.
            let opened = self.with_store(|_| Ok(()));
            let work = self.take();
            match opened.and_then(|()| self.write(&work)) {
                Ok(()) => self.done(&work),
                Err(error) => self.failed(&work, &error),
            }
            if self.has_ended() {
                return;
            }
            if Instant::now() >= self.next_watch {
                self.watch();
            }
            self.tell_of_failures();
        }
    }

    /// Sleeps until there is something to do.
    fn sleep(&self) {
        let mut intake = self.recorder.intake.lock();
        loop {
            let due = intake.due.filter(|_| intake.has_work());
            let until = due.map_or(self.next_watch, |due| due.min(self.next_watch));
            if intake.is_urgent() || until <= Instant::now() {
                return;
            }
            intake = self.recorder.wake.wait_until(intake, until);
        }
    }

    /// Takes what is there, unless only the database files are to be looked at.
    fn take(&self) -> Work {
        let mut intake = self.recorder.intake.lock();
        let mut work = Work {
            tasks: Vec::new(),
            close_before: None,
            retain: false,
            ticket: intake.wanted,
        };
        if intake.is_urgent() || intake.due.is_some_and(|due| due <= Instant::now()) {
            intake.make_tasks();
            work.tasks.clone_from(&intake.taken);
            work.close_before = intake.close_before;
            work.retain = std::mem::take(&mut intake.retain);
            intake.due = None;
        }
        let retired = std::mem::take(&mut intake.retired);
        let retired_settings = intake.retired_settings.take();
        let wants_room = !work.tasks.is_empty() && intake.spare.is_none();
        drop(intake);
        if wants_room {
            // Without memory, a login finds out by itself.
            let room = Room::for_about(work.tasks.iter().map(|task| task.len()).sum());
            self.recorder.intake.lock().spare = room.ok();
        }
        drop((retired, retired_settings));
        work
    }

    /// Writes the work into the store, and takes note of each part before the
    /// store's lock goes: a report must see each visit once.
    fn write(&self, work: &Work) -> Result<(), Error> {
        let recorder = self.recorder;
        for task in &work.tasks {
            self.with_store(|store| {
                self.run_task(task, store)?;
                let mut intake = recorder.intake.lock();
                intake.taken.retain(|other| !Arc::ptr_eq(other, task));
                Ok(())
            })?;
        }
        if let Some(month) = work.close_before {
            let closed = self.with_store(|store| {
                store.close_before(month)?;
                let mut intake = recorder.intake.lock();
                let all = std::mem::take(&mut intake.closing);
                let (closed, closing): (Vec<Tally>, _) =
                    all.into_iter().partition(|tally| tally.month < month);
                intake.closing = closing;
                if intake.close_before == work.close_before {
                    intake.close_before = None;
                }
                Ok(closed)
            })?;
            // All users of a month: giving that back holds no lock.
            drop(closed);
            let log = recorder.log();
            log.info(format_args!("the months before {month} are closed"));
        }
        if work.retain || work.close_before.is_some() {
            recorder.delete_old_totals();
        }
        Ok(())
    }

    fn run_task(&self, task: &Task, store: &mut dyn Store) -> Result<(), Error> {
        match task {
            Task::Commit(month, visits) => {
                // A month that another process has closed since is gone, and
                // these visits with it.
                self.recorder.month_state(*month).map_or(Ok(()), |state| {
                    store.commit(&Batch {
                        month: *month,
                        state: &state,
                        visits,
                    })
                })
            }
            Task::Forget(users) => store.forget(users),
        }
    }

    /// Does something with the store, however long that takes.
    fn with_store<T>(
        &self,
        work: impl FnOnce(&mut dyn Store) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.recorder.with_locked(self.recorder.store.lock(), work)
    }

    /// Whether the writer was asked to end, and nobody has changed their mind, nor
    /// waits for a flush that was asked for before.
    fn has_ended(&self) -> bool {
        let mut intake = self.recorder.intake.lock();
        intake.ended = intake.phase == Phase::Ending && intake.wanted == intake.tried;
        let ended = intake.ended;
        drop(intake);
        self.recorder.tried.notify_all();
        ended
    }

    /// Tells those who wait.
    fn done(&mut self, work: &Work) {
        let busy = !work.is_empty();
        {
            let mut intake = self.recorder.intake.lock();
            intake.tried = work.ticket;
            if busy {
                intake.last_flush = Some(now());
            }
            if busy || !intake.has_work() {
                intake.outcome = None;
            }
        }
        self.recorder.tried.notify_all();
        if busy && self.pause.take().is_some() {
            self.recorder.log().info("the store can be written again");
        }
    }

    /// Leaves the work for later, and says why, once.
    fn failed(&mut self, work: &Work, error: &Error) {
        let first = self.pause.is_none();
        let pause = self
            .pause
            .map_or(PAUSES.0, |pause| (pause * 2).min(PAUSES.1));
        self.pause = Some(pause);
        {
            let mut intake = self.recorder.intake.lock();
            intake.due = Some(Instant::now() + pause);
            intake.tried = work.ticket;
            intake.outcome = Some(error.clone());
        }
        self.recorder.tried.notify_all();
        if first {
            let log = self.recorder.log();
            log.error(format_args!(
                "{error}; visits wait in memory until it works"
            ));
        }
    }

    /// Warns of databases that are no tables. They fail where there is no
    /// counter to log for.
    fn tell_of_failures(&mut self) {
        let settings = self.recorder.settings.load();
        let failures = settings.lookup.failures();
        let failures: Vec<String> = failures.iter().map(Error::to_string).collect();
        for failure in failures
            .iter()
            .filter(|failure| !self.told.contains(failure))
        {
            let log = &settings.config.log;
            log.warn(format_args!("{failure}; what can be read of it is used"));
        }
        self.told = failures;
    }

    /// Reads a database again when its file was replaced.
    fn watch(&mut self) {
        self.next_watch = Instant::now() + WATCH;
        let settings = self.recorder.settings.load();
        if !settings.lookup.is_outdated() {
            return;
        }
        match self.recorder.reload() {
            Ok(()) => settings
                .config
                .log
                .info("the databases of places and networks were read again"),
            Err(error) => settings
                .config
                .log
                .warn(format_args!("{error}; the old database stays in use")),
        }
    }
}
