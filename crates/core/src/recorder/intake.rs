//! What waits for the writer, behind one short lock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use crate::calendar::Calendar;
use crate::seen::Seen;
use crate::store::Visit;
use crate::tally::Tally;
use crate::{Error, Month};

/// What waits for the writer.
pub(super) struct Intake {
    /// Which months are open. Views show copies of it.
    pub(super) calendar: Calendar,
    /// Visits that nobody has tried to write.
    pub(super) pending: BTreeMap<Month, Vec<Visit>>,
    /// Visits that the writer is writing, or could not write.
    pub(super) taken: Vec<Arc<MonthVisits>>,
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
    /// No more visits: the counter is being closed.
    pub(super) refusing: bool,
    /// The writer is to end.
    pub(super) stop: bool,
    pub(super) writer: Option<JoinHandle<()>>,
    /// The writer has done its last work.
    pub(super) ended: bool,
    /// Tables that are not used any more. Giving many megabytes back to the
    /// system takes longer than a login may; the writer does it.
    pub(super) retired: Vec<Seen>,
}

/// Visits of one month, in the order of the logins.
pub(super) struct MonthVisits {
    pub(super) month: Month,
    pub(super) visits: Vec<Visit>,
}

impl Intake {
    pub(super) fn new(calendar: Calendar) -> Self {
        Self {
            calendar,
            pending: BTreeMap::new(),
            taken: Vec::new(),
            closing: Vec::new(),
            close_before: None,
            due: None,
            wanted: 0,
            tried: 0,
            outcome: None,
            last_flush: None,
            refusing: false,
            stop: false,
            writer: None,
            ended: false,
            retired: Vec::new(),
        }
    }

    /// How many visits wait for the store.
    pub(super) fn waiting(&self) -> usize {
        let pending = self.pending.values().map(Vec::len);
        let taken = self.taken.iter().map(|taken| taken.visits.len());
        pending.chain(taken).sum()
    }

    /// Forgets the oldest months until `count` are left, but not `month`, nor one
    /// whose visits wait for the store: what it must keep of them would be lost.
    pub(super) fn truncate_calendar(&mut self, count: usize, month: Month) {
        let (pending, taken) = (&self.pending, &self.taken);
        self.calendar.truncate(count, |other| {
            other == month
                || pending.contains_key(&other)
                || taken.iter().any(|taken| taken.month == other)
        });
    }

    pub(super) fn has_work(&self) -> bool {
        !self.pending.is_empty() || !self.taken.is_empty() || self.close_before.is_some()
    }

    /// Whether somebody waits for the writer.
    pub(super) fn is_urgent(&self) -> bool {
        self.wanted > self.tried || self.stop
    }
}
