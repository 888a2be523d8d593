//! What waits for the writer, behind one short lock.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use super::Settings;
use crate::calendar::Calendar;
use crate::seen::Seen;
use crate::store::{Forgotten, Room, Visits};
use crate::tally::Tally;
use crate::{Error, KeyTable, Marker, Month, User};

/// What waits for the writer.
pub(super) struct Intake {
    /// Which months are open. Views show copies of it.
    pub(super) calendar: Calendar,
    /// Visits that nobody has tried to write, of one or two months.
    pub(super) pending: Vec<(Month, Visits)>,
    /// Users who are to be forgotten, after the pending visits are written.
    pub(super) forgotten: Vec<Forgotten>,
    /// What the writer is writing, or could not write, in this order.
    pub(super) taken: Vec<Arc<Task>>,
    /// Months that are closed here and not yet in the store.
    pub(super) closing: Vec<Tally>,
    /// Months before this one are to be closed in the store.
    pub(super) close_before: Option<Month>,
    /// When the writer should start, if there is anything to write.
    pub(super) due: Option<Instant>,
    /// Flushes asked for, and the number of the last one that was tried.
    pub(super) wanted: u64,
    pub(super) tried: u64,
    /// How the last try ended.
    pub(super) outcome: Option<Error>,
    /// When a try succeeded last, in Unix seconds.
    pub(super) last_flush: Option<i64>,
    pub(super) phase: Phase,
    pub(super) writer: Option<JoinHandle<()>>,
    /// The writer has done its last work.
    pub(super) ended: bool,
    /// The totals that are too old for `retention_months` are to be deleted.
    pub(super) retain: bool,
    /// Room for the next visits. Asking the system for it may have to wait for
    /// whoever gives some back; the writer does that, too.
    pub(super) spare: Option<Room>,
    /// Tables that are not used any more. Giving many megabytes back to the
    /// system takes longer than a login may; the writer does it.
    pub(super) retired: Vec<Seen>,
    /// The settings before, with their databases, for the same reason.
    pub(super) retired_settings: Option<Arc<Settings>>,
}

/// How far a counter is from being closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// No more visits are taken in.
    Closing,
    /// The writer is to end.
    Ending,
}

/// Something that the writer does with the store.
pub(super) enum Task {
    /// Commits visits of one month, in the order of the logins.
    Commit(Month, Visits),
    /// Deletes what the store keeps of users.
    Forget(Vec<Forgotten>),
}

impl Task {
    /// The visits that it writes, if it does.
    pub(super) fn visits(&self) -> Option<(Month, &Visits)> {
        match self {
            Self::Commit(month, visits) => Some((*month, visits)),
            Self::Forget(_) => None,
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Commit(_, visits) => visits.len(),
            Self::Forget(users) => users.len(),
        }
    }
}

impl Intake {
    pub(super) fn new(calendar: Calendar) -> Self {
        Self {
            calendar,
            pending: Vec::new(),
            forgotten: Vec::new(),
            taken: Vec::new(),
            closing: Vec::new(),
            close_before: None,
            due: None,
            wanted: 0,
            tried: 0,
            outcome: None,
            last_flush: None,
            phase: Phase::Open,
            writer: None,
            ended: false,
            retain: false,
            spare: None,
            retired: Vec::new(),
            retired_settings: None,
        }
    }

    /// Fails when the counter is being closed.
    pub(super) fn check_open(&self) -> Result<(), Error> {
        if self.phase == Phase::Open {
            return Ok(());
        }
        Err(Error::Closed)
    }

    /// How many visits wait for the store, and users to be forgotten.
    pub(super) fn waiting(&self) -> usize {
        let pending = self.pending.iter().map(|(_, visits)| visits.len());
        let taken = self.taken.iter().map(|task| task.len());
        pending.chain(taken).sum::<usize>() + self.forgotten.len()
    }

    /// All months that the store may have open, as they are here.
    pub(super) fn tallies(&self) -> Vec<Tally> {
        let open = self.calendar.tallies().iter();
        open.chain(&self.closing).cloned().collect()
    }

    /// The visits that the store does not have yet, by month.
    pub(super) fn visits(&self) -> impl Iterator<Item = (Month, &Visits)> {
        let taken = self.taken.iter().filter_map(|task| task.visits());
        taken.chain(self.pending.iter().map(|(month, visits)| (*month, visits)))
    }

    /// Has the visits of a month that have other keys wait by themselves: the
    /// numbers of another table mean something else.
    pub(super) fn separate(&mut self, month: Month, keys: &Arc<KeyTable>) {
        let separate = |(other, visits): &(Month, Visits)| {
            *other == month && !Arc::ptr_eq(visits.keys(), keys)
        };
        if self.pending.iter().any(separate) {
            self.make_tasks();
        }
    }

    /// Has the store forget a user who comes back before it hears of that.
    pub(super) fn forget_first(&mut self, month: Month, marker: Marker, user: User<'_>) {
        let again = |forgotten: &Forgotten| {
            forgotten.markers.contains(&(month, marker)) || forgotten.user.as_user() == user
        };
        if self.forgotten.iter().any(again) {
            self.make_tasks();
        }
    }

    /// Makes tasks of all that is pending.
    pub(super) fn make_tasks(&mut self) {
        let mut pending = std::mem::take(&mut self.pending);
        // A user who waits in two months counts in both, the earlier one first.
        pending.sort_by_key(|(month, _)| *month);
        for (month, visits) in pending {
            if visits.is_empty() {
                continue;
            }
            self.taken.push(Arc::new(Task::Commit(month, visits)));
        }
        let forgotten = std::mem::take(&mut self.forgotten);
        if !forgotten.is_empty() {
            self.taken.push(Arc::new(Task::Forget(forgotten)));
        }
    }

    /// Forgets the oldest months until `count` are left, but not `month`, nor one
    /// whose visits wait for the store: what it must keep of them would be lost.
    pub(super) fn truncate_calendar(&mut self, count: usize, month: Month) {
        let mut needed: Vec<Month> = self.visits().map(|(month, _)| month).collect();
        needed.push(month);
        let gone = self
            .calendar
            .truncate(count, |other| needed.contains(&other));
        self.retired
            .extend(gone.into_iter().map(|tally| tally.seen));
    }

    pub(super) fn has_work(&self) -> bool {
        !self.pending.is_empty()
            || !self.forgotten.is_empty()
            || !self.taken.is_empty()
            || self.close_before.is_some()
            || self.retain
    }

    /// Whether somebody waits for the writer.
    pub(super) fn is_urgent(&self) -> bool {
        self.wanted > self.tried || self.phase == Phase::Ending
    }
}
