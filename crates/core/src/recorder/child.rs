//! What becomes of a recorder in the child of a fork.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arc_swap::ArcSwap;

use super::intake::{Intake, Task};
use super::{Recorder, Settings, View, found, open_store};
use crate::calendar::Calendar;
use crate::store::Store;
use crate::sync::{Condvar, Mutex};
use crate::tally::Tally;
use crate::{Error, Month, fork};

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
        let loaded = store.load()?;
        let mut found = loaded
            .open
            .iter()
            .map(|open| found(open, &self.realm))
            .collect::<Result<Vec<_>, _>>()?;

        let mut guard = self.intake.lock();
        let intake = &mut *guard;
        // What could not be written waits with the rest.
        intake.make_tasks();
        let (mut left, mut lost) = (Vec::new(), 0);
        for task in &intake.taken {
            let Task::Commit(month, visits) = &**task else {
                left.push(Arc::clone(task));
                continue;
            };
            // Closed by somebody else: these logins came too late.
            if *month < loaded.closed_before {
                lost += visits.len();
                continue;
            }
            let both = found.iter_mut().zip(&loaded.open);
            let Some((tally, open)) = both.into_iter().find(|(tally, _)| tally.month == *month)
            else {
                left.push(Arc::clone(task));
                continue;
            };
            let mut ours = intake.calendar.tallies().iter().chain(&intake.closing);
            let ours = ours.find(|tally| tally.month == *month);
            if ours.is_some_and(|ours| !ours.has_key(&open.state.key)) {
                // Somebody else began the month under another key. Markers under
                // ours are worth nothing; those users count at their next login.
                lost += visits.len();
                continue;
            }
            let new = visits.filtered(|marker| {
                // Without memory for a marker, the store finds out by itself.
                let is_new = tally.seen.insert(marker).unwrap_or(true);
                if let Some(next) = tally.seen.next() {
                    tally.seen = next;
                }
                is_new
            })?;
            if !new.is_empty() {
                left.push(Arc::new(Task::Commit(*month, new)));
            }
        }
        intake.taken = left;
        let known: Vec<Month> = found.iter().map(|tally| tally.month).collect();
        let ours = intake.calendar.tallies().iter();
        found.extend(ours.filter(|tally| !known.contains(&tally.month)).cloned());
        let closed_before = intake.calendar.closed_before().max(loaded.closed_before);
        intake.calendar = Calendar::new(self.character.closes_months, closed_before, found);
        if intake.check_open().is_ok() {
            self.publish(intake);
        }
        drop(guard);
        if lost > 0 {
            self.log().warn(format_args!(
                "{lost} visits since the fork cannot be written: another process has begun or closed their month"
            ));
        }
        Ok(store)
    }
}
