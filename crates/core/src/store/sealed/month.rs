//! An open month of a sealed store: its two files, and what they say.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::blob::{self, Content, Id, Kind, Seal};
use super::folder::{Folder, Part};
use crate::store::{Batch, MonthState};
use crate::{Counts, Error, Marker, Month, MonthTotals, Realm};

/// One open month, as the files say it.
///
/// A flush writes the small file, of what came since the large one was
/// written. When the small files have cost as many bytes as the large one has,
/// both are folded into a new large one: whatever the size of a batch, that is
/// the cheapest time to do it, and each byte is written twice at most for each
/// time that the month doubles.
pub(super) struct OpenFile {
    month: Month,
    pub(super) state: MonthState,
    seal: Seal,
    /// Tells the host whose users are counted, and the one that the files are
    /// of, if there are any.
    host: u64,
    found_host: Option<u64>,
    incomplete: bool,
    /// The large file's identity, or zero if there is none.
    whole: Id,
    whole_size: usize,
    whole_markers: Arc<Vec<Marker>>,
    whole_counts: Counts,
    /// What came since.
    since_markers: Vec<Marker>,
    since_counts: Counts,
    /// How many bytes of small files were written since.
    since_written: usize,
    /// The key and a first file are on disk.
    started: bool,
    /// A write failed: nobody knows which files are there. The next one makes
    /// a new large file, which depends on none.
    uncertain: bool,
}

/// What is to be added to a month.
#[derive(Default)]
pub(super) struct Additions {
    markers: Vec<Marker>,
    counts: Counts,
}

impl OpenFile {
    /// A month that begins.
    pub(super) fn new(month: Month, state: MonthState, realm: &Realm) -> Self {
        Self {
            seal: Seal::new(month, &state.key, realm.expose_secret()),
            host: realm.marking(&state.key).host_check(),
            found_host: None,
            month,
            state,
            incomplete: false,
            whole: [0; 24],
            whole_size: 0,
            whole_markers: Arc::default(),
            whole_counts: Counts::new(),
            since_markers: Vec::new(),
            since_counts: Counts::new(),
            since_written: 0,
            started: false,
            uncertain: false,
        }
    }

    /// A month with this content, which comes from elsewhere.
    pub(super) fn with(month: Month, state: MonthState, realm: &Realm, content: Content) -> Self {
        Self {
            incomplete: content.incomplete,
            whole_markers: Arc::new(content.markers),
            whole_counts: content.counts,
            uncertain: true,
            ..Self::new(month, state, realm)
        }
    }

    /// Takes what the large file says.
    pub(super) fn take_whole(&mut self, id: Id, size: usize, content: Content) {
        self.started = true;
        self.whole = id;
        self.whole_size = size;
        self.take_common(&content);
        self.whole_markers = Arc::new(content.markers);
        self.whole_counts = content.counts;
    }

    /// Takes what the small file says.
    pub(super) fn take_since(&mut self, size: usize, content: Content) {
        self.started = true;
        // How many were written before this one is not known; as many as make
        // folding neither too early nor too late, on average.
        self.since_written = size;
        self.take_common(&content);
        self.since_markers = content.markers;
        self.since_counts = content.counts;
    }

    fn take_common(&mut self, content: &Content) {
        self.found_host = Some(content.host);
        self.state.first = content.first;
        self.incomplete |= content.incomplete;
    }

    /// Visits of this month were lost, as far as a reader can see.
    pub(super) fn set_incomplete(&mut self) {
        self.incomplete = true;
    }

    /// Fails when the markers are of another host's users, who would all count
    /// again.
    pub(super) fn check_host(&self) -> Result<(), Error> {
        if self.found_host.is_some_and(|found| found != self.host) {
            let reason = format!(
                "{} was begun for another host; set that, or use another store",
                self.month
            );
            return Err(Error::config("host", reason));
        }
        Ok(())
    }

    pub(super) fn whole_id(&self) -> Id {
        self.whole
    }

    /// Writes the month again, marked as one whose visits were lost: the next
    /// process must know it too.
    pub(super) fn rewrite_incomplete(&mut self, folder: &Folder) -> Result<(), Error> {
        self.incomplete = true;
        self.rewrite(folder)
    }

    pub(super) fn totals(&self) -> MonthTotals {
        let mut counts = self.whole_counts.clone();
        add(&mut counts, &self.since_counts);
        MonthTotals {
            counts,
            open: true,
            incomplete: self.incomplete,
        }
    }

    /// All markers, ascending.
    pub(super) fn markers(&self) -> Arc<Vec<Marker>> {
        if self.since_markers.is_empty() {
            return Arc::clone(&self.whole_markers);
        }
        Arc::new(merge(&self.whole_markers, &self.since_markers))
    }

    /// What the visits of `batch` add to this month: each marker that is not
    /// there yet, with its counts.
    pub(super) fn additions(&self, batch: &Batch<'_>) -> Additions {
        let mut first_visits = BTreeMap::new();
        for visit in batch.visits {
            let known = self.whole_markers.binary_search(&visit.marker).is_ok()
                || self.since_markers.binary_search(&visit.marker).is_ok();
            if !known {
                first_visits.entry(visit.marker).or_insert(visit);
            }
        }
        let mut numbers = BTreeMap::<_, u64>::new();
        for visit in first_visits.values() {
            for id in visit.keys() {
                *numbers.entry(id).or_default() += 1;
            }
        }
        Additions {
            markers: first_visits.into_keys().collect(),
            counts: numbers
                .into_iter()
                .filter_map(|(id, number)| Some((batch.keys.key(id)?, number)))
                .collect(),
        }
    }

    /// Writes `additions`, if there are any.
    pub(super) fn add(&mut self, additions: &Additions, folder: &Folder) -> Result<(), Error> {
        if additions.markers.is_empty() {
            return Ok(());
        }
        self.write(additions, false, folder)
    }

    /// Writes the month again, as it is now.
    pub(super) fn rewrite(&mut self, folder: &Folder) -> Result<(), Error> {
        self.write(&Additions::default(), true, folder)
    }

    /// Forgets a marker, and leaves no file in which it still is.
    pub(super) fn forget(&mut self, marker: Marker, folder: &Folder) -> Result<(), Error> {
        let known = self.whole_markers.binary_search(&marker).is_ok()
            || self.since_markers.binary_search(&marker).is_ok();
        // Written all the same: the time that it takes must not tell.
        let old = (Arc::clone(&self.whole_markers), self.since_markers.clone());
        if known {
            let rest = self
                .whole_markers
                .iter()
                .copied()
                .filter(|&other| other != marker);
            self.whole_markers = Arc::new(rest.collect());
            self.since_markers.retain(|&other| other != marker);
        }
        let written = self.rewrite(folder);
        if written.is_err() {
            (self.whole_markers, self.since_markers) = old;
        }
        written
    }

    fn write(&mut self, additions: &Additions, fold: bool, folder: &Folder) -> Result<(), Error> {
        let content = |markers, mut counts: Counts, more: &[&Counts]| {
            for more in more {
                add(&mut counts, more);
            }
            Content {
                incomplete: self.incomplete,
                // Of the host that the markers are of, whoever asks.
                host: self.found_host.unwrap_or(self.host),
                first: self.state.first,
                counts,
                markers,
            }
        };
        let since = content(
            merge(&self.since_markers, &additions.markers),
            self.since_counts.clone(),
            &[&additions.counts],
        );
        let written = self.since_written + blob::size(&since);
        if !self.started {
            folder.write(self.month, Part::Key, self.state.key.expose())?;
        }
        let was_uncertain = std::mem::replace(&mut self.uncertain, true);
        if fold || was_uncertain || written >= self.whole_size {
            let whole = content(
                merge(&self.whole_markers, &since.markers),
                self.whole_counts.clone(),
                &[&since.counts],
            );
            let (id, bytes) = self.seal.close(Kind::Whole, &whole)?;
            folder.write(self.month, Part::Sealed, &bytes)?;
            // It belongs to the old large file, so nobody reads it any more.
            folder.remove(self.month, Part::Fresh)?;
            self.whole = id;
            self.whole_size = bytes.len();
            self.whole_markers = Arc::new(whole.markers);
            self.whole_counts = whole.counts;
            self.since_markers = Vec::new();
            self.since_counts = Counts::new();
            self.since_written = 0;
        } else {
            let (_, bytes) = self.seal.close(Kind::Since(self.whole), &since)?;
            folder.write(self.month, Part::Fresh, &bytes)?;
            self.since_markers = since.markers;
            self.since_counts = since.counts;
            self.since_written = written;
        }
        self.started = true;
        self.uncertain = false;
        Ok(())
    }
}

fn add(counts: &mut Counts, more: &Counts) {
    for (key, number) in more {
        let count = counts.entry(key.clone()).or_default();
        *count = count.saturating_add(*number);
    }
}

/// Two ascending lists without a common member, as one.
fn merge(a: &[Marker], b: &[Marker]) -> Vec<Marker> {
    let mut merged = Vec::with_capacity(a.len() + b.len());
    merged.extend_from_slice(a);
    merged.extend_from_slice(b);
    // The sort recognises the two runs and merges them.
    merged.sort();
    merged
}
