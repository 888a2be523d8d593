//! An open month of a sealed store: its two files, and what they say.

use super::blob::{self, Damage, Id, Kind, Seal};
use super::coded::{CodedMarkers, merge};
use super::content::{Body, Content};
use super::folder::{Folder, Part};
use crate::pages::Pages;
use crate::store::{Batch, MonthState, Visits, visits};
use crate::{Counts, Error, Key, Marker, Month, MonthTotals, Realm};

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
    whole_id: Id,
    whole_size: usize,
    /// When the earliest login was, as the large file says it or may say it.
    whole_first: Option<i64>,
    whole: Body,
    /// What came since. None of its markers is in the large file.
    since: Body,
    /// How many bytes of small files were written since.
    since_written: usize,
    /// The key and a first file are on disk.
    started: bool,
    /// A write failed: nobody knows which files are there. The next one makes
    /// a new large file, which depends on none.
    uncertain: bool,
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
            whole_id: [0; 24],
            whole_size: 0,
            whole_first: None,
            whole: Body::default(),
            since: Body::default(),
            since_written: 0,
            started: false,
            uncertain: false,
        }
    }

    /// A month with these counts and ascending markers, which come from
    /// elsewhere.
    pub(super) fn with(
        month: Month,
        state: MonthState,
        realm: &Realm,
        totals: MonthTotals,
        markers: &[Marker],
    ) -> Result<Self, Error> {
        Ok(Self {
            incomplete: totals.incomplete,
            whole: Body {
                since: Vec::new(),
                counts: totals.counts.into_iter().collect(),
                markers: CodedMarkers::encode(markers.len(), markers.iter().copied())?,
            },
            uncertain: true,
            ..Self::new(month, state, realm)
        })
    }

    /// Takes what the large file says.
    pub(super) fn take_whole(
        &mut self,
        id: Id,
        size: usize,
        content: Content,
    ) -> Result<(), Damage> {
        if !content.body.since.is_empty() {
            return Err(Damage::Broken);
        }
        self.whole_id = id;
        self.whole_size = size;
        self.whole_first = content.first;
        self.take_common(&content);
        self.whole = content.body;
        Ok(())
    }

    /// Takes what the small file says, which must add to the large one.
    pub(super) fn take_since(&mut self, size: usize, content: Content) -> Result<(), Damage> {
        let Body {
            since,
            counts,
            markers,
        } = &content.body;
        let mut known = self.whole.markers.iter();
        if since.len() != self.whole.counts.len()
            || counts.iter().any(|(key, _)| self.place(key).is_some())
            || markers.iter().any(|marker| known.finds(marker))
        {
            return Err(Damage::Broken);
        }
        // How many were written before this one is not known; as many as make
        // folding neither too early nor too late, on average.
        self.since_written = size;
        self.take_common(&content);
        self.since = content.body;
        Ok(())
    }

    fn take_common(&mut self, content: &Content) {
        self.started = true;
        self.found_host = Some(content.host);
        self.state.first = content.first;
        self.incomplete |= content.incomplete;
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
        self.whole_id
    }

    /// Writes the month again, marked as one whose visits were lost: the next
    /// process must know it too.
    pub(super) fn rewrite_incomplete(&mut self, folder: &Folder) -> Result<(), Error> {
        self.incomplete = true;
        self.rewrite(folder)
    }

    pub(super) fn totals(&self) -> MonthTotals {
        MonthTotals {
            counts: sum(&self.whole, &self.since)
                .into_iter()
                .collect::<Counts>(),
            open: true,
            incomplete: self.incomplete,
        }
    }

    /// All markers, ascending, in a list.
    pub(super) fn list(&self) -> Vec<Marker> {
        let mut list = Vec::with_capacity(self.whole.markers.len() + self.since.markers.len());
        list.extend(self.markers());
        list
    }

    /// All markers, ascending.
    pub(super) fn markers(&self) -> impl Iterator<Item = Marker> {
        merge(self.whole.markers.iter(), self.since.markers.iter())
    }

    /// Writes the visits of users who are not there yet, if there are any.
    pub(super) fn add(&mut self, batch: &Batch<'_>, folder: &Folder) -> Result<(), Error> {
        let markers = self.new_markers(batch.visits)?;
        if markers.is_empty() {
            return Ok(());
        }
        let since = self.since_with(&markers, batch)?;
        self.write(since, false, folder)
    }

    /// Forgets when the earliest login was: all earlier months are closed. No file
    /// says it any more then.
    pub(super) fn settle(&mut self, folder: &Folder) -> Result<(), Error> {
        // Until it is written: this may have to be tried again.
        self.whole_first = self.state.first.take().or(self.whole_first);
        if self.whole_first.is_some() {
            // Also so that the next process knows it.
            self.rewrite(folder)?;
        }
        Ok(())
    }

    /// Writes the month again, as it is now.
    pub(super) fn rewrite(&mut self, folder: &Folder) -> Result<(), Error> {
        self.write(self.since.clone(), true, folder)
    }

    /// Forgets markers, which are sorted, and leaves no file in which one still is.
    pub(super) fn forget(&mut self, forgotten: &[Marker], folder: &Folder) -> Result<(), Error> {
        // Written all the same: the time that it takes must not tell.
        let stays = |marker: &Marker| forgotten.binary_search(marker).is_err();
        let len = self.markers().filter(stays).count();
        let left = self.markers().filter(stays);
        let whole = Body {
            since: Vec::new(),
            counts: sum(&self.whole, &self.since),
            markers: CodedMarkers::encode(len, left)?,
        };
        self.write_whole(whole, folder)
    }

    /// The markers that are not there yet, ascending, each with the place of its
    /// first visit.
    fn new_markers(&self, visits: &Visits) -> Result<Pages<[u64; 2]>, Error> {
        let mut markers = Pages::with_capacity(visits.len())?;
        for (place, visit) in (0..).zip(visits.iter()) {
            markers.push([visit.marker.0, place]);
        }
        markers.sort_unstable();
        let (mut whole, mut since) = (self.whole.markers.iter(), self.since.markers.iter());
        let (mut last, mut kept) = (None, 0);
        for index in 0..markers.len() {
            let Some(&[marker, place]) = markers.get(index) else {
                break;
            };
            let is_new = last != Some(marker)
                && !whole.finds(Marker(marker))
                && !since.finds(Marker(marker));
            last = Some(marker);
            if let (true, Some(to)) = (is_new, markers.get_mut(kept)) {
                *to = [marker, place];
                kept += 1;
            }
        }
        markers.truncate(kept);
        Ok(markers)
    }

    /// What came since the large file was written, with these visits of a batch.
    fn since_with(&self, new: &[[u64; 2]], batch: &Batch<'_>) -> Result<Body, Error> {
        // Visits are counted in their own order: that of the markers would
        // leap about in memory.
        let mut counted = Pages::<u8>::with_capacity(batch.visits.len())?;
        counted.extend_zeros(batch.visits.len());
        for &[_, place] in new {
            let place = usize::try_from(place).unwrap_or(usize::MAX);
            if let Some(counted) = counted.get_mut(place) {
                *counted = 1;
            }
        }
        let visits = batch.visits.iter().zip(counted.iter());
        let visits = visits.filter_map(|(visit, counted)| (*counted == 1).then_some(visit));
        let mut since = self.since.since.clone();
        since.resize(self.whole.counts.len(), 0);
        let mut counts = self.since.counts.clone();
        for (key, number) in visits::count(new.len(), visits)? {
            let key = batch.visits.keys().key(key).ok_or(Error::Internal)?;
            match self.place(&key).and_then(|place| since.get_mut(place)) {
                Some(count) => *count = count.saturating_add(number),
                None => counts.push((key, number)),
            }
        }
        counts.sort_by(|(one, _), (other, _)| one.cmp(other));
        counts.dedup_by(|(key, number), (other, sum)| {
            let same = key == other;
            if same {
                *sum = sum.saturating_add(*number);
            }
            same
        });
        counts.shrink_to_fit();
        Ok(Body {
            since,
            counts,
            markers: CodedMarkers::encode(
                self.since.markers.len() + new.len(),
                merge(
                    self.since.markers.iter(),
                    new.iter().map(|[marker, _]| Marker(*marker)),
                ),
            )?,
        })
    }

    /// The place of a key among the counts of the large file.
    fn place(&self, key: &Key) -> Option<usize> {
        let counts = &self.whole.counts;
        counts.binary_search_by(|(other, _)| other.cmp(key)).ok()
    }

    fn content(&self, body: Body) -> Content {
        Content {
            incomplete: self.incomplete,
            // Of the host that the markers are of, whoever asks.
            host: self.found_host.unwrap_or(self.host),
            first: self.state.first,
            body,
        }
    }

    /// Writes what came since, or all of it when it is time for that.
    fn write(&mut self, since: Body, all: bool, folder: &Folder) -> Result<(), Error> {
        let since = self.content(since);
        let written = self.since_written + blob::size(&since);
        if all || self.uncertain || written >= self.whole_size {
            let whole = fold(&self.whole, since.body)?;
            return self.write_whole(whole, folder);
        }
        let (_, bytes) = self.seal.close(Kind::Since(self.whole_id), &since)?;
        self.uncertain = true;
        folder.write(self.month, Part::Fresh, &bytes)?;
        self.uncertain = false;
        self.since = since.body;
        self.since_written = written;
        Ok(())
    }

    fn write_whole(&mut self, whole: Body, folder: &Folder) -> Result<(), Error> {
        let whole = self.content(whole);
        let (id, bytes) = self.seal.close(Kind::Whole, &whole)?;
        if !self.started {
            folder.write(self.month, Part::Key, self.state.key.expose())?;
        }
        self.uncertain = true;
        folder.write(self.month, Part::Sealed, &bytes)?;
        // It belongs to the old large file, so nobody reads it any more.
        folder.remove(self.month, Part::Fresh)?;
        self.uncertain = false;
        self.started = true;
        self.whole_id = id;
        self.whole_size = bytes.len();
        self.whole_first = whole.first;
        self.whole = whole.body;
        self.since = Body::default();
        self.since_written = 0;
        Ok(())
    }
}

/// What both files say, as one.
fn fold(whole: &Body, since: Body) -> Result<Body, Error> {
    if *whole == Body::default() {
        return Ok(since);
    }
    Ok(Body {
        since: Vec::new(),
        counts: sum(whole, &since),
        markers: CodedMarkers::encode(
            whole.markers.len() + since.markers.len(),
            merge(whole.markers.iter(), since.markers.iter()),
        )?,
    })
}

/// The counts of both files, sorted by key.
fn sum(whole: &Body, since: &Body) -> Vec<(Key, u64)> {
    let more = since.since.iter().copied().chain(std::iter::repeat(0));
    let old = whole.counts.iter().zip(more);
    let mut counts: Vec<(Key, u64)> = old
        .map(|((key, count), more)| (key.clone(), count.saturating_add(more)))
        .chain(since.counts.iter().cloned())
        .collect();
    // The sort recognises the two runs and merges them.
    counts.sort_by(|(one, _), (other, _)| one.cmp(other));
    counts
}
