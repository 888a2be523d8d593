//! What waits for the writer, behind one short lock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use crate::store::Visit;
use crate::tally::Tally;
use crate::{Error, Month};

/// What waits for the writer.
#[derive(Default)]
pub(super) struct Intake {
    /// Visits that nobody has tried to write.
    pub(super) pending: BTreeMap<Month, Vec<Visit>>,
    /// Visits that the writer is writing.
    pub(super) taken: BTreeMap<Month, Arc<Vec<Visit>>>,
    /// Months that are closed here and not yet in the store.
    pub(super) closing: Vec<Arc<Tally>>,
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
}

impl Intake {
    pub(super) fn has_work(&self) -> bool {
        !self.pending.is_empty() || self.close_before.is_some()
    }

    /// How many visits the store does not have yet.
    pub(super) fn waiting(&self) -> usize {
        let pending: usize = self.pending.values().map(Vec::len).sum();
        let taken: usize = self.taken.values().map(|visits| visits.len()).sum();
        pending + taken
    }

    /// Whether somebody waits for the writer.
    pub(super) fn is_urgent(&self) -> bool {
        self.wanted > self.tried || self.stop
    }
}
