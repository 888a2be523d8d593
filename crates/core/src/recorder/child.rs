//! What becomes of a recorder in the child of a fork.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arc_swap::ArcSwap;

use super::intake::{Intake, Task};
use super::{Recorder, Settings, View, found, open_store};
use crate::calendar::Calendar;
use crate::store::{Forgotten, Loaded, Store, Visits};
use crate::sync::{Condvar, Mutex};
use crate::tally::Tally;
use crate::{Error, Month, Realm, fork};

impl Recorder {
    /// The same counter in the child of a fork. Takes no lock of the parent's
    /// and touches no file: the child's writer opens the store.
    ///
    /// Nobody has been seen in it yet. Whoever the store knows is left out when
    /// that is opened; whoever the parent has pending may come again here.
    pub(crate) fn for_child(parent: &View) -> Result<Arc<Self>, Error> {
        let recorder = &parent.recorder;
        let calendar = parent.calendar();
        let tallies = calendar.tallies().iter().map(Tally::emptied);
        let settings = Settings {
            given: parent.settings().given.clone(),
            config: parent.settings().config.clone(),
            lookup: parent.settings().lookup.for_child(),
        };
        let calendar = Calendar::new(
            recorder.character.closes_months,
            calendar.closed_before(),
            tallies.collect::<Result<_, _>>()?,
        );
        Ok(Arc::new(Self {
            generation: fork::generation(),
            settings: Arc::new(ArcSwap::from_pointee(settings)),
            stage: Arc::clone(&recorder.stage),
            character: recorder.character,
            realm: recorder.realm.clone(),
            intake: Mutex::new(Intake::new(calendar)),
            wake: Condvar::default(),
            tried: Condvar::default(),
            store: Mutex::new(None),
            broken: AtomicBool::new(false),
        }))
    }

    /// What a child of a fork shows first.
    pub(crate) fn first_view(self: &Arc<Self>) -> Arc<View> {
        self.view(&self.intake.lock())
    }

    /// Opens the store in the child of a fork, and takes over what was recorded
    /// in it since.
    pub(super) fn reopen(self: &Arc<Self>) -> Result<Box<dyn Store>, Error> {
        let mut store = open_store(&self.settings, &self.realm)?;
        if self.settings.load().config.read_only {
            return Ok(store);
        }
        let mut takeover = Takeover::new(store.load()?, &self.realm)?;
        // What could not be written waits with the rest. Logins go on while it is
        // looked through; only what they bring meanwhile holds them up.
        let (tasks, ours) = {
            let mut intake = self.intake.lock();
            intake.make_tasks();
            (intake.taken.clone(), intake.tallies())
        };
        for task in &tasks {
            takeover.take(task, &ours)?;
        }
        let mut guard = self.intake.lock();
        let intake = &mut *guard;
        intake.make_tasks();
        let ours = intake.tallies();
        for task in intake.taken.iter().skip(tasks.len()) {
            takeover.take(task, &ours)?;
        }
        let Takeover {
            mut found,
            loaded,
            left,
            lost,
        } = takeover;
        let before = std::mem::replace(&mut intake.taken, left);
        let known: Vec<Month> = found.iter().map(|tally| tally.month).collect();
        let of_ours = intake.calendar.tallies().iter();
        found.extend(
            of_ours
                .filter(|tally| !known.contains(&tally.month))
                .cloned(),
        );
        let closed_before = intake.calendar.closed_before().max(loaded.closed_before);
        intake.calendar = Calendar::new(self.character.closes_months, closed_before, found);
        if intake.check_open().is_ok() {
            self.publish(intake);
        }
        drop(guard);
        // With all their memory.
        drop((before, tasks, ours));
        if lost > 0 {
            self.log().warn(format_args!(
                "{lost} visits since the fork cannot be written: another process has begun or closed their month"
            ));
        }
        Ok(store)
    }
}

/// What the store has, and what becomes of what waits.
struct Takeover {
    /// The months that the store has open.
    found: Vec<Tally>,
    loaded: Loaded,
    /// What is still to be done.
    left: Vec<Arc<Task>>,
    /// How many visits cannot be written.
    lost: usize,
}

impl Takeover {
    fn new(loaded: Loaded, realm: &Realm) -> Result<Self, Error> {
        let found = loaded.open.iter().map(|open| found(open, realm));
        Ok(Self {
            found: found.collect::<Result<_, _>>()?,
            loaded,
            left: Vec::new(),
            lost: 0,
        })
    }

    /// Takes a task over that was made when nobody knew what the store has. `ours`
    /// are the months of this process.
    fn take(&mut self, task: &Arc<Task>, ours: &[Tally]) -> Result<(), Error> {
        let task = match &**task {
            Task::Commit(month, visits) => self.commit(task, *month, visits, ours)?,
            Task::Forget(users) => Some(Arc::new(self.forget(users))),
        };
        self.left.extend(task);
        Ok(())
    }

    fn commit(
        &mut self,
        task: &Arc<Task>,
        month: Month,
        visits: &Visits,
        ours: &[Tally],
    ) -> Result<Option<Arc<Task>>, Error> {
        // Closed by somebody else: these logins came too late.
        if month < self.loaded.closed_before {
            self.lost += visits.len();
            return Ok(None);
        }
        let mut both = self.found.iter_mut().zip(&self.loaded.open);
        let Some((tally, open)) = both.find(|(tally, _)| tally.month == month) else {
            return Ok(Some(Arc::clone(task)));
        };
        let ours = ours.iter().find(|tally| tally.month == month);
        if ours.is_some_and(|ours| !ours.has_key(&open.state.key)) {
            // Somebody else began the month under another key. Markers under
            // ours are worth nothing; those users count at their next login.
            self.lost += visits.len();
            return Ok(None);
        }
        let new = visits.filtered(|marker| {
            // Without memory for a marker, the store finds out by itself.
            let is_new = tally.seen.insert(marker).unwrap_or(true);
            if let Some(next) = tally.seen.next() {
                tally.seen = next;
            }
            is_new
        })?;
        Ok((!new.is_empty()).then(|| Arc::new(Task::Commit(month, new))))
    }

    /// Forgets users in what was found, too: their markers were made when only
    /// the parent's months were known.
    fn forget(&mut self, users: &[Forgotten]) -> Task {
        let forgotten = users.iter().map(|Forgotten { user, markers }| {
            let is_found = |month| self.found.iter().any(|tally| tally.month == month);
            let others = markers.iter().filter(|(month, _)| !is_found(*month));
            let mut markers: Vec<_> = others.copied().collect();
            for tally in &self.found {
                let marker = tally.marker(user.as_user());
                tally.seen.remove(marker);
                markers.push((tally.month, marker));
            }
            Forgotten {
                user: user.clone(),
                markers,
            }
        });
        Task::Forget(forgotten.collect())
    }
}
