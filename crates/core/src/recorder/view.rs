//! What a login reads, without a lock.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::{Recorder, Settings};
use crate::calendar::Calendar;
use crate::seen::Added;
use crate::tally::Tally;
use crate::{Error, Login, Marker, fork};

/// Where a counter shows its view; empty while it is closed.
pub(crate) type Stage = ArcSwapOption<View>;

/// A recorder, its settings and its calendar at one moment, replaced as a whole
/// when settings or a database change, when a month opens or closes, or when the
/// set of those who were seen goes on with other tables.
pub(crate) struct View {
    pub(crate) recorder: Arc<Recorder>,
    /// That of the recorder, to be had without touching what it locks.
    generation: u32,
    settings: Arc<Settings>,
    calendar: Calendar,
}

/// A user who was not seen, as the view knows it.
#[derive(Clone, Copy)]
pub(super) struct Missing<'a> {
    pub(super) tally: &'a Tally,
    pub(super) marker: Marker,
    /// What was in the set when it was looked at.
    pub(super) added: Added,
}

impl View {
    pub(super) fn new(recorder: &Arc<Recorder>, calendar: Calendar) -> Self {
        Self {
            recorder: Arc::clone(recorder),
            generation: recorder.generation,
            settings: recorder.settings.load_full(),
            calendar,
        }
    }

    /// Whether the view is of this process, and not of one that forked it.
    pub(crate) fn is_ours(&self) -> bool {
        self.generation == fork::generation()
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// Counts a login, in memory. Most are repeated ones, which end here.
    pub(crate) fn record(&self, login: &Login<'_>) -> Result<(), Error> {
        self.recorder.check()?;
        let Some(tally) = self.calendar.settled(login.time) else {
            return self.recorder.count(&self.settings, login, None);
        };
        let marker = tally.marker(login.user);
        let added = tally.seen.added();
        if tally.seen.contains(marker) {
            return Ok(());
        }
        let missing = Missing {
            tally,
            marker,
            added,
        };
        self.recorder.count(&self.settings, login, Some(missing))
    }
}
