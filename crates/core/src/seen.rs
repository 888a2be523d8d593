//! Who was seen: a set of markers that is read without a lock, and grows a
//! little with each marker instead of all at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::{Error, Marker};

/// The slots of the first table, 8 KiB.
const SMALLEST: usize = 1024;

/// How many slots of the table before are moved with each new marker. The new
/// table is a quarter larger, so they have all been moved long before it is
/// full.
const MOVED_AT_ONCE: usize = 32;

/// What a slot holds that no marker is in, or not any more.
const EMPTY: u64 = 0;
const GONE: u64 = 1;

/// A set of markers. Any number of threads may look into it while one changes
/// it. Clones share what is in it.
///
/// The set is a table with open addressing, 8 bytes a slot, at most four fifths
/// full. When it is full, a larger one follows it: [`Seen::next`] says when. The
/// markers then move over little by little, and are looked for in both.
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
        let slots = markers.len().saturating_add(markers.len() / 2);
        let set = Self {
            table: Arc::new(Table::new(slots.max(SMALLEST))?),
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

    /// Adds a marker, and says whether it is new. By one thread at a time.
    ///
    /// # Errors
    ///
    /// The set is full, because there was no memory for a larger table.
    pub(crate) fn insert(&self, marker: Marker) -> Result<bool, Error> {
        if self.contains(marker) {
            return Ok(false);
        }
        self.table.insert(value(marker))?;
        if let Some(before) = &self.before {
            before.move_some_to(&self.table)?;
        }
        Ok(true)
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
            None if self.table.is_full() => {
                let slots = self.table.slots.len();
                Some(Self {
                    table: Arc::new(Table::new(slots.saturating_add(slots / 4)).ok()?),
                    before: Some(Arc::clone(&self.table)),
                })
            }
            _ => None,
        }
    }
}

/// What is in the slot of a marker. Markers 0, 1 and 2 are taken for one: that
/// two users have these is as improbable as that two have the same.
fn value(marker: Marker) -> u64 {
    marker.0.max(GONE + 1)
}

struct Table {
    slots: Box<[AtomicU64]>,
    /// How many slots are not empty.
    used: AtomicUsize,
    /// How many slots, from the first on, have been moved to the next table.
    moved: AtomicUsize,
}

// Each slot stands for itself, so no access has to be ordered with another. A
// thread that does not see a marker yet asks again under the lock of whoever
// inserts.
impl Table {
    fn new(slots: usize) -> Result<Self, Error> {
        Ok(Self {
            // From the system, which has zeros ready: a large table costs
            // nothing before its slots are used.
            slots: bytemuck::try_zeroed_slice_box(slots).map_err(|()| Error::Full)?,
            used: AtomicUsize::new(0),
            moved: AtomicUsize::new(0),
        })
    }

    /// The slots in the order in which `value` looks for its own. Values are
    /// hashes, so the place in the table is in proportion to the value. Moving
    /// to a larger table then goes from front to back in both.
    fn probe(&self, value: u64) -> impl Iterator<Item = &AtomicU64> {
        let slots = self.slots.len() as u128;
        let start = usize::try_from((u128::from(value) * slots) >> 64).unwrap_or_default();
        let (front, back) = self.slots.split_at_checked(start).unwrap_or_default();
        back.iter().chain(front)
    }

    fn contains(&self, value: u64) -> bool {
        for slot in self.probe(value) {
            match slot.load(Ordering::Relaxed) {
                EMPTY => return false,
                found if found == value => return true,
                _ => (),
            }
        }
        false
    }

    /// Puts a value that is not there into the first empty slot.
    fn insert(&self, value: u64) -> Result<(), Error> {
        let used = self.used.load(Ordering::Relaxed);
        // One slot stays empty, or a search would go around for ever.
        if used + 1 >= self.slots.len() {
            return Err(Error::Full);
        }
        let empty = |slot: &&AtomicU64| slot.load(Ordering::Relaxed) == EMPTY;
        let slot = self.probe(value).find(empty).ok_or(Error::Full)?;
        slot.store(value, Ordering::Relaxed);
        self.used.store(used + 1, Ordering::Relaxed);
        Ok(())
    }

    fn remove(&self, value: u64) {
        for slot in self.probe(value) {
            match slot.load(Ordering::Relaxed) {
                EMPTY => return,
                found if found == value => return slot.store(GONE, Ordering::Relaxed),
                _ => (),
            }
        }
    }

    /// Copies the next few markers; they stay here for those who look here.
    fn move_some_to(&self, next: &Self) -> Result<(), Error> {
        let moved = self.moved.load(Ordering::Relaxed);
        let slots = self.slots.get(moved..).unwrap_or_default();
        let slots = slots.get(..MOVED_AT_ONCE).unwrap_or(slots);
        for slot in slots {
            let value = slot.load(Ordering::Relaxed);
            if value > GONE && !next.contains(value) {
                next.insert(value)?;
            }
        }
        self.moved.store(moved + slots.len(), Ordering::Relaxed);
        Ok(())
    }

    fn has_moved(&self) -> bool {
        self.moved.load(Ordering::Relaxed) >= self.slots.len()
    }

    fn is_full(&self) -> bool {
        self.used.load(Ordering::Relaxed) >= self.slots.len() / 5 * 4
    }
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
        let slots = seen.table.slots.len();
        assert!(slots < 100_000 * 2, "{slots} slots for 100,000 markers");
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
        assert_eq!(added, SMALLEST - 1);
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
