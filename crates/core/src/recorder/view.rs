//! What a login reads, without a lock.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::Recorder;
use crate::calendar::Calendar;
use crate::{Error, Login, fork};

/// Where a counter shows its view; empty while it is closed.
pub(crate) type Stage = ArcSwapOption<View>;

/// A recorder and its calendar at one moment, replaced as a whole when a month
/// opens or closes, or when the set of those who were seen goes on with other
/// tables.
pub(crate) struct View {
    pub(crate) recorder: Arc<Recorder>,
    /// That of the recorder, to be had without touching what it locks.
    generation: u32,
    calendar: Calendar,
}

impl View {
    pub(super) fn new(recorder: &Arc<Recorder>, calendar: Calendar) -> Self {
        Self {
            recorder: Arc::clone(recorder),
            generation: recorder.generation,
            calendar,
        }
    }

    /// Whether the view is of this process, and not of one that forked it.
    pub(crate) fn is_ours(&self) -> bool {
        self.generation == fork::generation()
    }

    pub(super) fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// Counts a login, in memory. Most are repeated ones, which end here.
    pub(crate) fn record(&self, login: &Login<'_>) -> Result<(), Error> {
        self.recorder.check()?;
        let known = self
            .calendar
            .settled(login.time)
            .is_some_and(|tally| tally.seen.contains(tally.marker(login.user)));
        if known {
            return Ok(());
        }
        self.recorder.count(login)
    }
}
