//! Who was seen: a set of markers that is read without a lock, and grows a
//! little with each marker instead of all at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use memmap2::MmapMut;
use self_cell::{MutBorrow, self_cell};
use zerocopy::FromBytes;

use crate::{Error, Marker};

/// As many slots as the processor gets from memory at once (64 bytes): who is
/// looked for is nearly always in the first bucket, and all of it is there.
const BUCKET: usize = 8;

/// The buckets of the first table, 8 KiB.
const SMALLEST: usize = 128;

/// How many buckets of the table before are moved with each new marker. The new
/// table is a quarter larger, so they have all been moved long before it is
/// full.
const MOVED_AT_ONCE: usize = 2;

/// What a slot holds that no marker is in, or not any more.
const EMPTY: u64 = 0;
const GONE: u64 = 1;

/// A set of markers. Any number of threads may look into it while one changes
/// it. Clones share what is in it.
///
/// The set is a table of buckets, 8 bytes a marker, at most 17 twentieths full. When
/// it is full, a larger one follows it: [`Seen::next`] says when. The markers
/// then move over little by little, and are looked for in both.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    table: Arc<Table>,
    /// The table before, as long as it has markers that are not in the new one.
    before: Option<Arc<Table>>,
}

impl Seen {
    /// A set of these markers.
    ///
    /// # Errors
    ///
    /// There is not enough memory.
    pub(crate) fn new(markers: &[Marker]) -> Result<Self, Error> {
        let slots = markers.len().saturating_add(markers.len() / 4);
        let set = Self {
            table: Arc::new(Table::new((slots / BUCKET).max(SMALLEST))?),
            before: None,
        };
        for &marker in markers {
            set.insert(marker)?;
        }
        Ok(set)
    }

    pub(crate) fn contains(&self, marker: Marker) -> bool {
        let value = value(marker);
        self.table.contains(value)
            || self
                .before
                .as_ref()
                .is_some_and(|before| before.contains(value))
    }

    /// How many were added so far, in all. Who asks before looking for a marker, and
    /// finds under the lock that nothing has come since, need not look again.
    pub(crate) fn added(&self) -> Added {
        // With what is stored before the number is.
        let used = self.table.used.load(Ordering::Acquire);
        Added(Arc::as_ptr(&self.table).addr(), used)
    }

    /// Adds a marker, and says whether it is new. By one thread at a time.
    ///
    /// # Errors
    ///
    /// The set is full, because there was no memory for a larger table.
    pub(crate) fn insert(&self, marker: Marker) -> Result<bool, Error> {
        if self.contains(marker) {
            return Ok(false);
        }
        self.add(marker)?;
        Ok(true)
    }

    /// Adds a marker that is not there. By one thread at a time.
    ///
    /// # Errors
    ///
    /// As of [`Seen::insert`].
    pub(crate) fn add(&self, marker: Marker) -> Result<(), Error> {
        if let Some(before) = &self.before {
            before.move_some_to(&self.table)?;
        }
        self.table.insert(value(marker))
    }

    /// Removes a marker. By one thread at a time, the one that inserts.
    pub(crate) fn remove(&self, marker: Marker) {
        for table in std::iter::once(&self.table).chain(&self.before) {
            table.remove(value(marker));
        }
    }

    /// The set with which to go on, once this one is full or has moved: the
    /// same markers, in other tables. Without memory for a larger table, the set
    /// goes on until no slot is left.
    pub(crate) fn next(&self) -> Option<Self> {
        match &self.before {
            Some(before) if before.has_moved() => Some(Self {
                table: Arc::clone(&self.table),
                before: None,
            }),
            None if self.table.has_enough() => {
                let buckets = self.table.buckets().len();
                Some(Self {
                    table: Arc::new(Table::new(buckets.saturating_add(buckets / 4)).ok()?),
                    before: Some(Arc::clone(&self.table)),
                })
            }
            _ => None,
        }
    }
}

/// What was added to a set: to which table, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Added(usize, usize);

/// What is in the slot of a marker. Markers 0, 1 and 2 are taken for one: that
/// two users have these is as improbable as that two have the same.
fn value(marker: Marker) -> u64 {
    marker.0.max(GONE + 1)
}

type Bucket = [AtomicU64; BUCKET];
type Buckets<'a> = &'a [Bucket];

self_cell!(
    /// Memory from the system, seen as buckets. The system has zeros ready, so a
    /// large table costs nothing before it is used, and it is given back as a
    /// whole.
    struct Memory {
        owner: MutBorrow<MmapMut>,
        #[covariant]
        dependent: Buckets,
    }
);

struct Table {
    memory: Memory,
    /// How many slots are not empty.
    used: AtomicUsize,
    /// How many buckets, from the first on, have been moved to the next table.
    moved: AtomicUsize,
}

// Slots need no order among each other. A thread that does not see a marker yet
// asks again under the lock of whoever inserts, unless nothing was added since it
// looked: for that, and only for that, a slot is written before the number of
// those that are used, and read after it.
impl Table {
    fn new(buckets: usize) -> Result<Self, Error> {
        let bytes = buckets.checked_mul(size_of::<Bucket>());
        let map = MmapMut::map_anon(bytes.ok_or(Error::Full)?).map_err(|_| Error::Full)?;
        let memory = Memory::try_new(MutBorrow::new(map), |map| {
            let buckets = <[Bucket]>::mut_from_bytes(map.borrow_mut());
            // A page begins where a bucket may.
            buckets
                .map(|buckets| &*buckets)
                .map_err(|_| Error::Internal)
        })?;
        Ok(Self {
            memory,
            used: AtomicUsize::new(0),
            moved: AtomicUsize::new(0),
        })
    }

    fn buckets(&self) -> &[Bucket] {
        self.memory.borrow_dependent()
    }

    /// The bucket in which `value` is, unless that is full. Values are hashes, so
    /// the place in the table is in proportion to the value. Moving to a larger
    /// table then goes from front to back in both.
    fn home(&self, value: u64) -> usize {
        let buckets = self.buckets().len() as u128;
        usize::try_from((u128::from(value) * buckets) >> 64).unwrap_or_default()
    }

    /// The buckets in the order in which `value` looks for a slot.
    fn probe(&self, value: u64) -> impl Iterator<Item = &Bucket> {
        let (front, back) = self
            .buckets()
            .split_at_checked(self.home(value))
            .unwrap_or_default();
        back.iter().chain(front)
    }

    fn contains(&self, value: u64) -> bool {
        // Nearly always the answer is here.
        let home = self.buckets().get(self.home(value));
        match home {
            Some(bucket) if holds(bucket, value) => true,
            Some(bucket) if is_full(bucket) => self.is_beyond(value),
            _ => false,
        }
    }

    /// Whether a value is in a bucket behind its home.
    fn is_beyond(&self, value: u64) -> bool {
        for bucket in self.probe(value).skip(1) {
            if holds(bucket, value) {
                return true;
            }
            if !is_full(bucket) {
                return false;
            }
        }
        false
    }

    /// Puts a value that is not there into the first empty slot.
    fn insert(&self, value: u64) -> Result<(), Error> {
        let used = self.used.load(Ordering::Relaxed);
        // One slot stays empty, or a search would go around for ever.
        if used + 1 >= self.buckets().len() * BUCKET {
            return Err(Error::Full);
        }
        let bucket = self.probe(value).find(|bucket| !is_full(bucket));
        let empty = |slot: &&AtomicU64| slot.load(Ordering::Relaxed) == EMPTY;
        let slot = bucket.and_then(|bucket| bucket.iter().find(empty));
        slot.ok_or(Error::Full)?.store(value, Ordering::Relaxed);
        self.used.store(used + 1, Ordering::Release);
        Ok(())
    }

    fn remove(&self, value: u64) {
        for bucket in self.probe(value) {
            let holds = |slot: &&AtomicU64| slot.load(Ordering::Relaxed) == value;
            if let Some(slot) = bucket.iter().find(holds) {
                return slot.store(GONE, Ordering::Relaxed);
            }
            if !is_full(bucket) {
                return;
            }
        }
    }

    /// Copies the markers of the next few buckets, none of which is there yet;
    /// they stay here for those who look here.
    fn move_some_to(&self, next: &Self) -> Result<(), Error> {
        let moved = self.moved.load(Ordering::Relaxed);
        let buckets = self.buckets().get(moved..).unwrap_or_default();
        let buckets = buckets.get(..MOVED_AT_ONCE).unwrap_or(buckets);
        for slot in buckets.iter().flatten() {
            let value = slot.load(Ordering::Relaxed);
            if value > GONE {
                next.insert(value)?;
            }
        }
        self.moved.store(moved + buckets.len(), Ordering::Relaxed);
        Ok(())
    }

    fn has_moved(&self) -> bool {
        self.moved.load(Ordering::Relaxed) >= self.buckets().len()
    }

    fn has_enough(&self) -> bool {
        self.used.load(Ordering::Relaxed) >= self.buckets().len() * BUCKET / 20 * 17
    }
}

fn holds(bucket: &Bucket, value: u64) -> bool {
    // All eight without a branch take less than guessing where it ends.
    bucket.iter().fold(false, |found, slot| {
        found | (slot.load(Ordering::Relaxed) == value)
    })
}

/// Whether a value that is not in the bucket may be in the next one. Slots are
/// filled from the first one on.
fn is_full([.., last]: &Bucket) -> bool {
    last.load(Ordering::Relaxed) != EMPTY
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Table(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Markers as a hash would make them, all different.
    fn markers(count: u64) -> impl Iterator<Item = Marker> {
        (1..=count).map(|i| Marker(i.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
    }

    /// Inserts, and goes on with the next tables when it is time.
    fn insert(seen: &mut Seen, marker: Marker) -> bool {
        let new = seen.insert(marker).unwrap();
        if let Some(next) = seen.next() {
            *seen = next;
        }
        new
    }

    #[test]
    fn each_marker_is_new_once_while_the_tables_grow() {
        let mut seen = Seen::new(&[]).unwrap();
        let mut tables = 0;
        for (i, marker) in markers(100_000).enumerate() {
            assert!(!seen.contains(marker), "{i}");
            assert!(insert(&mut seen, marker), "{i}");
            assert!(!insert(&mut seen, marker), "{i}");
            tables += usize::from(seen.before.is_some());
        }
        assert!(tables > 0, "it never grew");
        assert!(markers(100_000).all(|marker| seen.contains(marker)));
        let slots = seen.table.buckets().len() * BUCKET;
        assert!(slots < 140_000, "{slots} slots for 100,000 markers");
    }

    #[test]
    fn markers_that_look_like_no_marker_are_kept_too() {
        for number in [0, 1, 2, u64::MAX] {
            let mut seen = Seen::new(&[]).unwrap();
            assert!(!seen.contains(Marker(number)));
            assert!(insert(&mut seen, Marker(number)));
            assert!(seen.contains(Marker(number)), "{number}");
        }
    }

    #[test]
    fn markers_that_crowd_at_the_end_go_on_at_the_front() {
        let crowd: Vec<_> = (0..500).map(|i| Marker(u64::MAX - i)).collect();
        let seen = Seen::new(&crowd).unwrap();
        assert!(crowd.iter().all(|&marker| seen.contains(marker)));
        assert!(!seen.contains(Marker(u64::MAX - 500)));
    }

    #[test]
    fn a_removed_marker_is_new_again_wherever_it_was() {
        let mut seen = Seen::new(&[]).unwrap();
        let all: Vec<Marker> = markers(5000).collect();
        // Until some are in the new table, and the rest in the one before.
        let many = all.iter().take_while(|&&marker| {
            insert(&mut seen, marker);
            let moved = |before: &Arc<Table>| before.moved.load(Ordering::Relaxed);
            seen.before.as_ref().is_none_or(|before| moved(before) == 0)
        });
        let many = many.count();
        assert!(many > 500 && many < 5000, "{many}");
        for &marker in &all[..many] {
            seen.remove(marker);
            assert!(!seen.contains(marker));
        }
        for &marker in &all[..many] {
            assert!(insert(&mut seen, marker));
        }
    }

    #[test]
    fn without_memory_it_refuses_before_it_would_search_for_ever() {
        let seen = Seen::new(&[]).unwrap();
        let added = markers(5000).take_while(|&marker| seen.insert(marker).is_ok());
        let added = added.count();
        assert_eq!(added, SMALLEST * BUCKET - 1);
        assert!(!seen.contains(Marker(42)));
        assert!(matches!(seen.insert(Marker(42)), Err(Error::Full)));
        assert!(markers(added as u64).all(|marker| seen.contains(marker)));
    }

    #[test]
    fn those_who_look_while_it_grows_miss_nobody() {
        let shared = crate::sync::Mutex::new(Seen::new(&[]).unwrap());
        let done = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut seen = shared.lock().clone();
                for marker in markers(50_000) {
                    seen.insert(marker).unwrap();
                    if let Some(next) = seen.next() {
                        seen = next;
                        *shared.lock() = seen.clone();
                    }
                    done.fetch_add(1, Ordering::Release);
                }
            });
            for _ in 0..2 {
                scope.spawn(|| {
                    while done.load(Ordering::Acquire) < 50_000 {
                        // In this order: what was done is in the tables.
                        let count = done.load(Ordering::Acquire) as u64;
                        let seen = shared.lock().clone();
                        assert!(markers(count).all(|marker| seen.contains(marker)));
                    }
                });
            }
        });
    }
}
